// Links: names that other containers have within one on the default network. On a network of the user's they are the
// network's (core/network), and nothing has to be there when it starts; here its target must run, as in Docker.
#include <sys/stat.h>

#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/container/entry.hpp"
#include "core/network/links.hpp"

namespace gantry::container {
namespace {

constexpr std::size_t largest_hosts_file = 1 << 20;
constexpr int most_partners = 16;

bool of_default_network(const std::string& mode) { return mode == "default" || mode == network::default_network; }

Error undefined_behaviour(const char* mode) {
    return {Code::invalid, std::string("conflicting options: ") + mode +
                               " can't be used with links. This would result in undefined behavior"};
}

// The file without the lines whose first name is the alias, and with another one for it.
std::string with_line(const std::string& hosts, const std::string& alias, const std::string& line) {
    std::string text;
    for (std::string_view old : split(hosts, '\n')) {
        const std::size_t tab = old.find('\t');
        const std::string_view names = tab == std::string_view::npos ? std::string_view() : old.substr(tab + 1);
        if (!old.empty() && names.substr(0, names.find(' ')) != alias) text += std::string(old) + "\n";
    }
    return text + line;
}

}  // namespace

ContainerService::EntryPtr ContainerService::entry_of(const std::string& id) {
    std::lock_guard lock(index_mutex_);
    auto found = entries_.find(id);
    return found == entries_.end() ? nullptr : found->second;
}

void ContainerService::index_links(const Container& c) {
    for (const Link& link : c.links) linked_.emplace(link.target, c.id);
}

void ContainerService::forget_links(const std::string& id) {
    std::erase_if(linked_, [&](const auto& one) { return one.first == id || one.second == id; });
}

// HostConfig.Links of a create request become links by id, or those of the network's endpoint.
Result<void> ContainerService::settle_links(Container& c) {
    const Json wanted = std::exchange(c.host_config["Links"], nullptr);
    if (!wanted.is_array() || wanted.empty()) return {};
    const std::string mode = c.network_mode();
    if (mode == "host") return undefined_behaviour("host type networking");
    if (mode == "none") return undefined_behaviour("a container without network");
    if (mode.starts_with("container:")) return undefined_behaviour("container type network");
    if (!of_default_network(mode)) {
        Json& links = c.endpoints[mode]["Links"];
        if (!links.is_array()) links = Json::array();
        for (const Json& one : wanted)
            if (std::find(links.begin(), links.end(), one) == links.end()) links.push_back(one);
        return {};
    }
    for (const Json& one : wanted) {
        GANTRY_TRY(network::Link asked, network::parse_link(one.get<std::string>()));
        std::string ref = asked.target;
        EntryPtr target;
        for (int partners = 0;; ++partners) {
            auto found = find(ref);
            // Not GANTRY_NOT_FOUND, which a client takes for a missing image.
            if (!found)
                return fail(Code::invalid, "could not get container for " + asked.target + ": " + found.error().text);
            target = *found;
            const std::string target_mode = target->snapshot().network_mode();
            if (target_mode == "host") return undefined_behaviour("host type networking");
            if (!target_mode.starts_with("container:")) break;
            if (partners == most_partners) return fail(Code::invalid, "the network of " + asked.target + " is its own");
            ref = target_mode.substr(std::string_view("container:").size());
        }
        auto same = std::find_if(c.links.begin(), c.links.end(), [&](const Link& l) { return l.alias == asked.alias; });
        if (same == c.links.end())
            c.links.push_back({target->id(), asked.alias});
        else if (same->target != target->id())
            return fail(Code::invalid, "conflicting options: two links have the alias " + quote_json(asked.alias));
    }
    return {};
}

// Before a start.
Result<void> ContainerService::check_links(const Container& c) {
    for (const Link& link : c.links) {
        EntryPtr target = entry_of(link.target);
        if (!target) continue;
        if (const Container other = target->snapshot(); !other.active())
            return fail(Code::conflict,
                        "Cannot link to a non running container: /" + other.name + " AS /" + c.name + "/" + link.alias);
    }
    return {};
}

// Lines of /etc/hosts. The caller holds hosts_mutex_ where there are links.
std::string ContainerService::linked_hosts(const Container& c) {
    std::string lines;
    for (const Link& link : c.links) {
        EntryPtr target = entry_of(link.target);
        if (!target) continue;
        std::lock_guard lock(target->mutex);
        auto settings = target->network_settings.find(network::default_network);
        if (!target->record.active() || settings == target->network_settings.end()) continue;
        const std::string address = settings->value("IPAddress", ""), name = target->record.name,
                          hostname = target->record.config["Hostname"];
        if (address.empty()) continue;
        lines += address + "\t" + link.alias + " " + hostname + (name == link.alias ? "" : " " + name) + "\n";
    }
    return lines;
}

// It has started, perhaps at another address: those that have a link to it are to know.
void ContainerService::tell_linked(Entry& entry) {
    std::vector<EntryPtr> parents;
    {
        std::lock_guard lock(index_mutex_);
        for (auto at = linked_.lower_bound({entry.id(), ""}); at != linked_.end() && at->first == entry.id(); ++at)
            if (auto parent = entries_.find(at->second); parent != entries_.end()) parents.push_back(parent->second);
    }
    for (const EntryPtr& parent : parents) {
        std::lock_guard linked(hosts_mutex_);
        Container c = parent->snapshot();
        std::erase_if(c.links, [&](const Link& link) { return link.target != entry.id(); });
        const std::string path = run_directory(c.id) + "/hosts";
        auto hosts = read_file(path, largest_hosts_file);
        // Empty until its own start fills it, with this container among the rest.
        if (!hosts || hosts->empty()) continue;
        std::string text = *hosts;
        for (const Link& link : c.links) {
            Container one = c;
            one.links = {link};
            text = with_line(text, link.alias, linked_hosts(one));
        }
        if (auto written = write_file(path, text, 0644); !written)
            log::warn("a linked container's address could not be told",
                      {{"container", c.id}, {"reason", written.error().text}});
    }
}

std::vector<std::string> ContainerService::links_of(const Container& c) {
    std::vector<std::string> shown;
    for (const Link& link : c.links)
        if (EntryPtr target = entry_of(link.target))
            shown.push_back("/" + target->snapshot().name + ":/" + c.name + "/" + link.alias);
    return shown;
}

// By id: what others call it.
std::map<std::string, std::vector<std::string>> ContainerService::linked_names() {
    std::map<std::string, EntryPtr> parents;
    {
        std::lock_guard lock(index_mutex_);
        for (const auto& [target, parent] : linked_)
            if (auto found = entries_.find(parent); found != entries_.end()) parents.emplace(parent, found->second);
    }
    std::map<std::string, std::vector<std::string>> names;
    for (const auto& [id, parent] : parents) {
        const Container c = parent->snapshot();
        for (const Link& link : c.links) names[link.target].push_back("/" + c.name + "/" + link.alias);
    }
    return names;
}

Result<void> ContainerService::remove_link(const std::string& path) {
    GANTRY_CHECK(launcher_ready());
    const std::string clean = path.starts_with('/') ? path.substr(1) : path;
    const std::size_t slash = clean.rfind('/');
    if (slash == std::string::npos) {
        GANTRY_CHECK(find(clean));
        return fail(Code::invalid, "Conflict, cannot remove the default link name of the container");
    }
    GANTRY_TRY(EntryPtr parent, find(clean.substr(0, slash)));
    const std::string alias = clean.substr(slash + 1);
    std::lock_guard linked(hosts_mutex_);
    Container left;
    {
        std::lock_guard lock(parent->mutex);
        auto& links = parent->record.links;
        auto link = std::find_if(links.begin(), links.end(), [&](const Link& l) { return l.alias == alias; });
        if (link == links.end()) return fail(Code::not_found, "No such container: " + path);
        const Link gone = *link;
        links.erase(link);
        if (auto saved = save(*parent); !saved) {
            links.push_back(gone);
            return saved;
        }
        left = parent->record;
    }
    {
        std::lock_guard index(index_mutex_);
        std::erase_if(linked_, [&](const auto& one) { return one.second == left.id; });
        index_links(left);
    }
    const std::string file = run_directory(left.id) + "/hosts";
    auto hosts = read_file(file, largest_hosts_file);
    if (!hosts || hosts->empty()) return {};
    return write_file(file, with_line(*hosts, alias, ""), 0644);
}

}  // namespace gantry::container
