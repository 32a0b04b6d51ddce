#include "plugins/network/overlay/documents.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "plugins/network/overlay/underlay.hpp"

namespace gantry::overlay {
namespace {
constexpr int resync_ms = 60'000;
}

Result<std::unique_ptr<Documents>> Documents::create(std::string directory, std::string network, std::string vtep,
                                                     std::function<void(const std::string&)> warn) {
    UniqueFd notes(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)), stop(::eventfd(0, EFD_CLOEXEC));
    if (!notes || !stop) return fail_errno("watch \"" + directory + "\"");
    // Whole files alone: one that is being written is not looked at.
    if (::inotify_add_watch(notes.get(), directory.c_str(),
                            IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR) < 0)
        return fail_errno("network \"" + network +
                          "\" has no option \"etcd\", and its documents cannot be read: watch \"" + directory + "\"");
    std::unique_ptr<Documents> source(new Documents(std::move(directory), std::move(network), std::move(vtep),
                                                    std::move(warn), std::move(notes), std::move(stop)));
    GANTRY_CHECK(source->load());
    return source;
}

Documents::Documents(std::string directory, std::string network, std::string vtep,
                     std::function<void(const std::string&)> warn, UniqueFd notes, UniqueFd stop)
    : directory_(std::move(directory)),
      network_(std::move(network)),
      vtep_(std::move(vtep)),
      warn_(std::move(warn)),
      notes_(std::move(notes)),
      stop_(std::move(stop)) {}

Documents::~Documents() {
    const std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof one);
    if (thread_.joinable()) thread_.join();
}

Result<const DocumentHost*> Documents::own(const Document& document, const std::string& vtep) {
    for (const DocumentHost& host : document.hosts)
        if (vtep.empty() ? has_address(host.peer.vtep) : host.peer.vtep == vtep) return &host;
    if (!vtep.empty())
        return fail(Code::not_found, "no host of network \"" + document.network + "\" has the vtep " + vtep);
    std::string all;
    for (const DocumentHost& host : document.hosts) all += (all.empty() ? "" : ", ") + host.peer.vtep;
    return fail(Code::not_found,
                "this machine has the vtep of no host of network \"" + document.network + "\" (" + all + ")");
}

Result<void> Documents::load() {
    auto document = read_documents(directory_, network_);
    if (document) {
        auto self = own(*document, vtep_);
        if (!self) document = std::move(self).error();
    }
    std::lock_guard lock(mutex_);
    problem_ = document ? "" : document.error().text;
    if (!document) return std::move(document).error();
    if (document_ && (document->subnet != document_->subnet || document->gateway != document_->gateway ||
                      document->vni != document_->vni)) {
        problem_ =
            "the documents of network \"" + network_ + "\" have another subnet, gateway or vni than when it was made";
        return fail(Code::conflict, problem_);
    }
    document_ = std::move(document).value();
    return {};
}

Result<Facts> Documents::join(const Block& subnet, std::uint32_t gateway, bool fixed) {
    std::lock_guard lock(mutex_);
    if (fixed && (subnet != document_->subnet || gateway != document_->gateway))
        return fail(Code::conflict, "network \"" + network_ + "\" has subnet " + document_->subnet.text() +
                                        " and gateway " + show(document_->gateway) + " in its documents, not " +
                                        subnet.text() + " and " + show(gateway));
    GANTRY_TRY(const DocumentHost* self, own(*document_, vtep_));
    return Facts{document_->subnet, document_->gateway, document_->vni, self->peer.host, self->peer.vtep};
}

void Documents::watch(std::function<void(bool whole)> changed) {
    changed_ = std::move(changed);
    thread_ = std::thread([this] { run(); });
}

void Documents::run() {
    // Signals are the engine's, not this thread's.
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    changed_(true);
    for (;;) {
        pollfd both[] = {{notes_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
        const int ready = ::poll(both, 2, resync_ms);
        if (ready < 0 && errno != EINTR) return;
        if (both[1].revents != 0) return;
        if (ready == 0) changed_(true);
        if (ready <= 0 || both[0].revents == 0) continue;
        char buffer[4096];
        while (::read(notes_.get(), buffer, sizeof buffer) > 0) {
        }
        if (auto loaded = load(); !loaded)
            warn_("the documents of network \"" + network_ +
                  "\" are passed over, what was known stays: " + loaded.error().text);
        else
            changed_(false);
    }
}

std::vector<Peer> Documents::peers() {
    std::lock_guard lock(mutex_);
    auto self = own(*document_, vtep_);
    std::vector<Peer> others;
    for (const DocumentHost& host : document_->hosts)
        if (!self || &host != *self) others.push_back(host.peer);
    return others;
}

Result<Ranges> Documents::ranges(bool) {
    std::lock_guard lock(mutex_);
    GANTRY_TRY(const DocumentHost* self, own(*document_, vtep_));
    Ranges ranges{self->ranges, {}};
    if (ranges.blocks.empty()) ranges.blocks.push_back(document_->subnet);
    // Listed: for the container that asks for it, and not another's.
    for (const DocumentHost& host : document_->hosts)
        for (const Member& member : host.peer.members)
            if (&host != self || !member.names.empty()) ranges.except.push_back(member.address);
    return ranges;
}

Result<void> Documents::claim(std::uint32_t address) {
    std::lock_guard lock(mutex_);
    GANTRY_TRY(const DocumentHost* self, own(*document_, vtep_));
    for (const DocumentHost& host : document_->hosts)
        for (const Member& member : host.peer.members)
            if (&host != self && member.address == address)
                return fail(Code::denied, "address " + show(address) + " of network \"" + network_ +
                                              "\" is that of host \"" + host.peer.host + "\"");
    return {};
}

Json Documents::status() {
    std::lock_guard lock(mutex_);
    return {{"source", directory_}, {"reachable", problem_.empty()}, {"message", problem_}};
}

}  // namespace gantry::overlay
