// inspect and list.
#include "core/base/labels.hpp"
#include "core/base/text.hpp"
#include "core/container/executions.hpp"
#include "core/container/view.hpp"

namespace gantry::container {
namespace {

// Filters have been checked (check_list_filters).
bool port_matches(const std::string& wanted, std::int64_t port, const std::string& protocol) {
    const auto range = parse_port_range(wanted);
    return range && range->has(port, protocol);
}

}  // namespace

Result<Json> ContainerService::inspect(const std::string& ref, bool size) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    Snapshot snapshot = take_snapshot(*entry);
    snapshot.exec_ids = executions_->running_of(snapshot.container.id);
    snapshot.links = links_of(snapshot.container);
    Json result = to_inspect(snapshot);
    if (size) {
        GANTRY_TRY(Sizes sizes, sizes_of(snapshot.container));
        result["SizeRw"] = sizes.own;
        result["SizeRootFs"] = sizes.whole;
    }
    return result;
}

Result<ContainerService::Sizes> ContainerService::sizes_of(const Container& c) {
    GANTRY_TRY(auto layers, with_.drivers.get(driver::Kind::layer, c.layer_driver));
    GANTRY_TRY(driver::Reply usage, layers->call("layer/1", "usage", {{"key", c.layer}}));
    Sizes sizes;
    sizes.own = usage.result.value("bytes", std::int64_t{0});
    sizes.whole = sizes.own;
    if (auto image = with_.images.find(c.image_id)) sizes.whole += (*image)->size;
    return sizes;
}

Snapshot ContainerService::take_snapshot(Entry& entry) {
    Snapshot snapshot;
    {
        std::lock_guard lock(entry.mutex);
        snapshot.container = entry.record;
        snapshot.networks = entry.network_settings;
        snapshot.ports = entry.ports;
    }
    snapshot.run_directory = run_directory(snapshot.container.id);
    snapshot.directory = directory(snapshot.container.id);
    return snapshot;
}

Result<Json> ContainerService::list(bool all_states, int limit, bool size, const Filters& filters) {
    GANTRY_CHECK(check_list_filters(filters));
    await_states();
    auto values = [&](const char* key) -> const std::vector<std::string>& {
        static const std::vector<std::string> none;
        auto found = filters.find(key);
        return found == filters.end() ? none : found->second;
    };
    auto created_of = [&](const char* key) -> Result<std::int64_t> {
        if (values(key).empty()) return std::int64_t{-1};
        GANTRY_TRY(EntryPtr entry, find(values(key)[0]));
        return entry->record.created_ns;
    };
    GANTRY_TRY(std::int64_t before, created_of("before"));
    GANTRY_TRY(std::int64_t since, created_of("since"));
    std::set<std::string> ancestors;
    for (const auto& value : values("ancestor"))
        if (auto image = with_.images.find(value)) ancestors.insert((*image)->id);
    bool any_state = all_states || limit > 0 || !values("status").empty() || !values("exited").empty();

    auto matches = [&](const Snapshot& s) {
        const Container& c = s.container;
        auto any = [&](const char* key, auto test) {
            return values(key).empty() || std::any_of(values(key).begin(), values(key).end(), test);
        };
        if (!any_state && !c.active() && c.state.status != Status::restarting) return false;
        if (before >= 0 && c.created_ns >= before) return false;
        if (since >= 0 && c.created_ns <= since) return false;
        if (!values("ancestor").empty() && !ancestors.contains(c.image_id)) return false;
        if (!any("status", [&](const std::string& v) { return v == name_of(c.state.status); })) return false;
        if (!any("exited", [&](const std::string& v) {
                return c.state.status == Status::exited && parse_int(v) == c.state.exit_code;
            }))
            return false;
        if (!any("health", [&](const std::string& v) { return v == c.health.status; })) return false;
        if (!any("id", [&](const std::string& v) { return c.id.starts_with(v); })) return false;
        // As a part of the name with its slash; ^ and $ hold it to the ends.
        if (!any("name", [&](std::string v) {
                bool from_start = v.starts_with('^'), to_end = v.ends_with('$');
                if (from_start) v.erase(0, 1);
                if (to_end) v.pop_back();
                std::vector<std::string> names = s.link_names;
                names.insert(names.end(), {"/" + c.name, c.name});
                for (const std::string& name : names) {
                    if (from_start && to_end ? name == v
                        : from_start         ? name.starts_with(v)
                        : to_end             ? name.ends_with(v)
                                             : name.find(v) != std::string::npos)
                        return true;
                }
                return false;
            }))
            return false;
        for (const auto& v : values("label"))
            if (!has_label(c.config["Labels"], v)) return false;
        for (const auto& v : values("label!"))
            if (has_label(c.config["Labels"], v)) return false;
        // No container is a swarm's task, and Windows' isolations are none of ours.
        if (!any("is-task", [](const std::string& v) { return v == "false" || v == "0"; })) return false;
        if (!any("isolation", [](const std::string& v) { return v == "default"; })) return false;
        if (!any("network", [&](const std::string& v) {
                for (const auto& [name, settings] : s.networks.items())
                    if (name == v || settings.value("NetworkID", "").starts_with(v)) return true;
                return c.endpoints.contains(v) || c.network_mode() == v;
            }))
            return false;
        if (!any("volume", [&](const std::string& v) {
                return std::any_of(c.mounts.begin(), c.mounts.end(), [&](const MountPoint& m) {
                    return m.name == v || m.destination == v || (m.type == "bind" && m.source == v);
                });
            }))
            return false;
        if (!any("publish", [&](const std::string& v) {
                return std::any_of(s.ports.begin(), s.ports.end(),
                                   [&](const network::Port& p) { return port_matches(v, p.host_port, p.protocol); });
            }))
            return false;
        if (!any("expose", [&](const std::string& v) {
                for (const auto& [text, unused] : c.config["ExposedPorts"].items()) {
                    std::size_t slash = text.find('/');
                    if (auto port = parse_int(text.substr(0, slash));
                        port && port_matches(v, *port, slash == std::string::npos ? "tcp" : text.substr(slash + 1)))
                        return true;
                }
                return false;
            }))
            return false;
        return true;
    };

    std::vector<Snapshot> found;
    auto link_names = linked_names();
    for (const auto& entry : all()) {
        Snapshot snapshot = take_snapshot(*entry);
        if (!link_names.empty()) snapshot.link_names = link_names[snapshot.container.id];
        if (matches(snapshot)) found.push_back(std::move(snapshot));
    }
    std::sort(found.begin(), found.end(),
              [](const Snapshot& a, const Snapshot& b) { return a.container.created_ns > b.container.created_ns; });
    if (limit > 0 && found.size() > static_cast<std::size_t>(limit)) found.resize(static_cast<std::size_t>(limit));
    Json result = Json::array();
    for (const Snapshot& snapshot : found) {
        Json summary = to_summary(snapshot);
        if (size) {
            auto sizes = sizes_of(snapshot.container);
            if (!sizes && sizes.error().code == Code::not_found) continue;  // removed meanwhile
            if (!sizes) return std::move(sizes).error();
            summary["SizeRw"] = sizes->own;
            summary["SizeRootFs"] = sizes->whole;
        }
        result.push_back(std::move(summary));
    }
    return result;
}

}  // namespace gantry::container
