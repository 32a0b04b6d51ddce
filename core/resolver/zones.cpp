#include "core/resolver/zones.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"

namespace gantry::resolver {
namespace {

constexpr std::string_view ending = ".json";
constexpr std::uint16_t internet_class = 1;

Decision refuse() { return {Decision::What::answer, Rcode::refused, {}}; }

}  // namespace

Result<std::unique_ptr<Zones>> Zones::open(const std::string& directory) {
    UniqueFd watch(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!watch) return fail_errno("watch \"" + directory + "\"");
    if (::inotify_add_watch(watch.get(), directory.c_str(),
                            IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR) < 0)
        return fail_errno("watch \"" + directory + "\"");
    std::unique_ptr<Zones> zones(new Zones(directory, std::move(watch)));
    // After the watch began, so that nothing is missed in between.
    GANTRY_TRY(auto files, list_directory(directory));
    for (const std::string& file : files) zones->load(file);
    return zones;
}

void Zones::load(const std::string& file) {
    if (!file.ends_with(ending)) return;
    const std::string id = file.substr(0, file.size() - ending.size());
    auto read = read_names_file(directory_ + "/" + file);
    if (read)
        networks_[id] = std::move(read).value();
    else if (read.error().code == Code::not_found)
        networks_.erase(id);
    else
        log::warn("a names file cannot be used, the names known before stay",
                  {{"file", file}, {"reason", read.error().text}});
}

bool Zones::read_changes() {
    alignas(inotify_event) char buffer[16384];
    bool changed = false;
    for (;;) {
        const ssize_t length = ::read(watch_.get(), buffer, sizeof buffer);
        if (length <= 0) return changed;
        for (const char* at = buffer; at < buffer + length;) {
            const auto* event = reinterpret_cast<const inotify_event*>(at);
            at += sizeof(inotify_event) + event->len;
            if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) gone_ = true;
            if (event->mask & IN_Q_OVERFLOW) {
                networks_.clear();
                if (auto files = list_directory(directory_))
                    for (const std::string& file : *files) load(file);
                changed = true;
            } else if (event->len > 0) {
                load(event->name);
                changed = true;
            }
        }
    }
}

const std::vector<std::string>* Zones::find_name(const NamesFile& network, const std::string& asker,
                                                 const std::string& name) const {
    auto look_in = [](const NamesFile& file, const std::string& wanted) -> const std::vector<std::string>* {
        if (auto found = file.names.find(wanted); found != file.names.end()) return &found->second;
        // "web.front": a name with that of its network.
        if (wanted.size() > file.network.size() + 1 && wanted.ends_with("." + file.network))
            if (auto found = file.names.find(wanted.substr(0, wanted.size() - file.network.size() - 1));
                found != file.names.end())
                return &found->second;
        return nullptr;
    };
    // What the asker calls others comes first, as in Docker; what it calls one that is not there is an ordinary name.
    if (auto own = network.aliases.find(asker); own != network.aliases.end())
        if (auto alias = own->second.find(name); alias != own->second.end())
            if (auto of = networks_.find(alias->second.network); of != networks_.end())
                if (auto found = look_in(of->second, alias->second.name)) return found;
    if (auto found = look_in(network, name)) return found;
    auto others = network.members.find(asker);
    if (others == network.members.end()) return nullptr;
    for (const std::string& id : others->second)
        if (auto other = networks_.find(id); other != networks_.end())
            if (auto found = look_in(other->second, name)) return found;
    return nullptr;
}

Decision Zones::decide_once(const NamesFile& network, const std::string& asker, const std::string& at,
                            const Query& query) const {
    if (asker != at && !network.addresses.contains(asker)) return refuse();
    if (query.klass != internet_class) return refuse();
    if (auto addresses = find_name(network, asker, query.name)) {
        Decision decision;
        for (const std::string& address : *addresses)
            if (auto record = address_record(address);
                record && (query.type == record->type || query.type == Type::any))
                decision.records.push_back(std::move(*record));
        if (!decision.records.empty())
            std::rotate(decision.records.begin(),
                        decision.records.begin() + static_cast<std::ptrdiff_t>(turn_ % decision.records.size()),
                        decision.records.end());
        return decision;
    }
    if (auto address = reverse_address(query.name)) {
        if (auto name = network.addresses.find(*address); name != network.addresses.end()) {
            Decision decision;
            if (query.type != Type::ptr && query.type != Type::any) return decision;
            if (auto data = name_data(to_lower(name->second) + "." + network.network))
                decision.records.push_back({Type::ptr, std::move(*data)});
            return decision;
        }
    }
    // Names of containers, also of those that are gone, are nobody else's business.
    const bool single_label = !query.name.empty() && query.name.find('.') == std::string::npos;
    const bool of_this_network = !network.network.empty() && query.name.ends_with("." + network.network);
    if (single_label || of_this_network) return {Decision::What::answer, Rcode::no_such_name, {}};
    if (network.internal) return refuse();
    return {Decision::What::forward, Rcode::ok, {}};
}

Decision Zones::decide(const std::string& network_id, const std::string& asker, const std::string& at,
                       const Query& query) {
    ++turn_;
    for (bool again = true;; again = false) {
        auto network = networks_.find(network_id);
        Decision decision = network == networks_.end() ? refuse() : decide_once(network->second, asker, at, query);
        // The file may be newer than what was read: a container asks as soon as it has started.
        const bool unknown = decision.what == Decision::What::answer && decision.code != Rcode::ok;
        if (!unknown || !again || !read_changes()) return decision;
    }
}

}  // namespace gantry::resolver
