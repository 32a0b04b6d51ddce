#include "core/image/registry/sources.hpp"

namespace gantry::image::registry {

Sources::Sources(const Settings& settings, std::string host, std::string repository, Credentials credentials,
                 std::function<bool()> cancelled)
    : host_(std::move(host)),
      repository_(std::move(repository)),
      credentials_(std::move(credentials)),
      cancelled_(std::move(cancelled)),
      transport_(settings, [this] { return this->cancelled(); }) {
    if (auto known = settings.hosts.find(host_); known != settings.hosts.end())
        for (const std::string& mirror : known->second.mirrors) {
            entries_.push_back(std::make_unique<Entry>());
            entries_.back()->mirror = mirror;
        }
    entries_.push_back(std::make_unique<Entry>());
}

std::string Sources::name(std::size_t index) const {
    return entries_[index]->mirror.empty() ? host_ : entries_[index]->mirror;
}

Result<std::shared_ptr<Remote>> Sources::get(std::size_t index) {
    Entry& entry = *entries_[index];
    std::lock_guard lock(entry.mutex);
    if (entry.failed) return *entry.failed;
    if (!entry.remote) {
        // A mirror is somebody else than the registry: the registry's credentials are not for it.
        auto session =
            Session::open(transport_, host_, entry.mirror, entry.mirror.empty() ? credentials_ : Credentials{});
        if (!session) {
            entry.failed = session.error();
            return std::move(session).error();
        }
        entry.remote = std::make_shared<Remote>(std::move(*session), repository_);
    }
    return entry.remote;
}

void Sources::detach() {
    std::lock_guard lock(mutex_);
    cancelled_ = [] { return true; };
}

bool Sources::cancelled() {
    if (stopped_) return true;
    if (joined_ > 0) return false;
    std::lock_guard lock(mutex_);
    return cancelled_ && cancelled_();
}

}  // namespace gantry::image::registry
