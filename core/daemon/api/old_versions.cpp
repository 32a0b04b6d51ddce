#include "core/daemon/api/old_versions.hpp"

#include <algorithm>
#include <string>

namespace gantry::daemon {
namespace {

void add_missing(Json& object, const Json& members) {
    for (const auto& [name, value] : members.items())
        if (!object.contains(name)) object[name] = value;
}

bool is_empty(const Json& value) { return value.is_null() || value.empty() || value == ""; }

void omit_empty(Json& object, std::initializer_list<const char*> names) {
    for (const char* name : names)
        if (auto found = object.find(name); found != object.end() && is_empty(*found)) object.erase(found);
}

// Of the default network, beside the list of all of them.
void add_default_network(Json& settings) {
    add_missing(settings, {{"Bridge", ""},
                           {"HairpinMode", false},
                           {"LinkLocalIPv6Address", ""},
                           {"LinkLocalIPv6PrefixLen", 0},
                           {"SecondaryIPAddresses", nullptr},
                           {"SecondaryIPv6Addresses", nullptr}});
    const Json networks = settings.value("Networks", Json::object());
    const Json bridge = networks.value("bridge", Json::object());
    const Json none{{"EndpointID", ""}, {"Gateway", ""},    {"GlobalIPv6Address", ""}, {"GlobalIPv6PrefixLen", 0},
                    {"IPAddress", ""},  {"IPPrefixLen", 0}, {"IPv6Gateway", ""},       {"MacAddress", ""}};
    for (const auto& [name, value] : none.items()) settings[name] = bridge.contains(name) ? bridge[name] : value;
}

// The names that only DNSNames has now.
void add_short_names(Json& inspect) {
    const std::string id = inspect.value("Id", "").substr(0, 12);
    const Json hostname = inspect["Config"].value("Hostname", Json(""));
    for (auto& [name, network] : inspect["NetworkSettings"]["Networks"].items()) {
        if (name == "bridge" || name == "host" || name == "none" || name == "default") continue;
        Json& aliases = network["Aliases"];
        if (!aliases.is_array()) aliases = Json::array();
        for (const Json& one : {Json(id), hostname})
            if (!is_empty(one) && std::find(aliases.begin(), aliases.end(), one) == aliases.end())
                aliases.push_back(one);
    }
}

// What a container's configuration has and an image's has not; always empty there.
const Json& container_members() {
    static const Json members{{"Hostname", ""},        {"Domainname", ""},      {"AttachStdin", false},
                              {"AttachStdout", false}, {"AttachStderr", false}, {"Tty", false},
                              {"OpenStdin", false},    {"StdinOnce", false},    {"Image", ""}};
    return members;
}

const Json& image_members() {
    static const Json members{{"User", ""},       {"Env", nullptr},        {"Cmd", nullptr},     {"Volumes", nullptr},
                              {"WorkingDir", ""}, {"Entrypoint", nullptr}, {"OnBuild", nullptr}, {"Labels", nullptr}};
    return members;
}

}  // namespace

void fit_container(Json& inspect, int version) {
    Json& config = inspect["Config"];
    if (version >= 152) return omit_empty(config, {"OnBuild"});
    add_missing(config, {{"OnBuild", nullptr}});
    add_default_network(inspect["NetworkSettings"]);
    if (version < 145) add_short_names(inspect);
    if (version < 142) add_missing(inspect["HostConfig"], {{"KernelMemory", 0}, {"KernelMemoryTCP", 0}});
}

void fit_image(Json& inspect, int version) {
    if (version < 153) inspect.erase("Identity");
    Json& config = inspect["Config"];
    if (version >= 152) {
        omit_empty(inspect, {"Comment", "Author"});
        return omit_empty(config, {"Cmd", "Entrypoint", "Env", "Labels", "OnBuild", "User", "Volumes", "WorkingDir"});
    }
    add_missing(inspect, {{"Parent", ""}, {"DockerVersion", ""}, {"Comment", ""}, {"Author", ""}});
    add_missing(config, image_members());
    if (version < 150) add_missing(config, container_members());
    if (version < 145) {
        Json empty = image_members();
        empty.update(container_members());
        add_missing(inspect, {{"Container", ""}, {"ContainerConfig", empty}});
    }
    if (version < 144) {
        inspect["VirtualSize"] = inspect["Size"];
        add_missing(inspect, {{"Created", "0001-01-01T00:00:00Z"}});
    }
}

void fit_image_summary(Json& summary, int version) {
    if (version < 151) summary["Containers"] = -1;
    if (version < 144) summary["VirtualSize"] = summary["Size"];
    if (version < 143) {
        if (is_empty(summary["RepoTags"])) summary["RepoTags"] = Json::array({"<none>:<none>"});
        if (is_empty(summary["RepoDigests"])) summary["RepoDigests"] = Json::array({"<none>@<none>"});
    }
}

void fit_info(Json& info, int version) {
    if (version < 150) add_missing(info, {{"BridgeNfIptables", false}, {"BridgeNfIp6tables", false}});
    if (version < 149) {
        for (const char* name : {"ContainerdCommit", "RuncCommit", "InitCommit"})
            info[name]["Expected"] = info[name]["ID"];
        add_missing(info["RegistryConfig"], {{"AllowNondistributableArtifactsCIDRs", nullptr},
                                             {"AllowNondistributableArtifactsHostnames", nullptr}});
    }
}

}  // namespace gantry::daemon
