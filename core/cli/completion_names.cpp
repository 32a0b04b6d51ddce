#include <algorithm>

#include "core/cli/completion.hpp"
#include "core/cli/json_access.hpp"

namespace gantry::cli {
namespace {

bool is_plain(const std::string& name) {
    return !name.empty() && name[0] != '-' && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("_.:/@+=-").find(c) != std::string_view::npos;
    });
}

class NameList {
public:
    void add(std::string name, std::string help) {
        if (is_plain(name)) all_.push_back({std::move(name), std::move(help)});
    }
    std::vector<Candidate> take() { return std::move(all_); }

private:
    std::vector<Candidate> all_;
};

// An engine that does not answer has no names; the shell is no place for its errors.
Json list_of(Client& client, const char* target, const char* key = nullptr) {
    auto answer = client.get(target);
    if (!answer) return Json::array();
    const Json& list = key ? member(*answer, key) : *answer;
    return list.is_array() ? list : Json::array();
}

void add_containers(Client& client, bool all, NameList& names, const char* end = "") {
    for (const Json& container : list_of(client, all ? "/containers/json?all=1" : "/containers/json")) {
        const Json& list = member(container, "Names");
        if (!list.is_array() || list.empty()) continue;
        std::string name = as_text(list[0]);
        if (name.starts_with('/')) name.erase(0, 1);
        names.add(name + end, text_at(container, "Image") + ", " + text_at(container, "Status"));
    }
}

void add_images(Client& client, NameList& names) {
    for (const Json& image : list_of(client, "/images/json"))
        if (const Json& tags = member(image, "RepoTags"); tags.is_array())
            for (const Json& tag : tags) {
                std::string name = as_text(tag);
                if (name == "<none>:<none>") continue;
                if (name.ends_with(":latest")) names.add(name.substr(0, name.size() - 7), "image");
                names.add(std::move(name), "image");
            }
}

void add_networks(Client& client, NameList& names) {
    for (const Json& network : list_of(client, "/networks"))
        names.add(text_at(network, "Name"), text_at(network, "Driver") + " network");
}

void add_volumes(Client& client, NameList& names) {
    for (const Json& volume : list_of(client, "/volumes", "Volumes"))
        names.add(text_at(volume, "Name"), text_at(volume, "Driver") + " volume");
}

void add_plugins(Client& client, NameList& names) {
    for (const Json& plugin : list_of(client, "/plugins"))
        names.add(text_at(plugin, "Name"), flag_at(plugin, "Enabled") ? "enabled plugin" : "disabled plugin");
}

}  // namespace

Names names_from(Client& client) {
    return [&client](WordKind kind) {
        NameList names;
        std::vector<std::string> ignored;
        switch (kind) {
        case WordKind::container: add_containers(client, true, names); break;
        case WordKind::running_container: add_containers(client, false, names); break;
        case WordKind::container_path: add_containers(client, true, names, ":"); break;
        case WordKind::image: add_images(client, names); break;
        case WordKind::network: add_networks(client, names); break;
        case WordKind::volume: add_volumes(client, names); break;
        case WordKind::plugin: add_plugins(client, names); break;
        case WordKind::object:
            add_containers(client, true, names);
            add_images(client, names);
            add_networks(client, names);
            add_volumes(client, names);
            add_plugins(client, names);
            break;
        case WordKind::context:
            for (const Context& context : ContextStore().list(&ignored)) names.add(context.name, context.description);
            break;
        case WordKind::driver:
            for (const Json& driver : list_of(client, "/gantry/drivers"))
                names.add(text_at(driver, "name"), text_at(driver, "kind") + " driver");
            break;
        default: break;
        }
        return names.take();
    };
}

}  // namespace gantry::cli
