#include "core/plugin/plugin_config.hpp"

#include <algorithm>

#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"
#include "core/container/capabilities.hpp"
#include "core/image/digest.hpp"
#include "core/image/strict_json.hpp"
#include "core/plugin/member_reader.hpp"

namespace gantry::plugin {
namespace {

constexpr std::size_t most_words = 1000, longest_word = 64u << 10;

bool is_absolute(const std::string& path) {
    return path.starts_with('/') && path.size() < 4096 && "/" + clean_relative(path) == path && path != "/";
}

// Mounted by the runtime as they are; others would be for it to refuse, when it is too late to say so to whoever installs.
const std::vector<std::string>& bind_options() {
    static const std::vector<std::string> known = {"bind",       "rbind",    "ro",      "rw",     "private", "rprivate",
                                                   "shared",     "rshared",  "slave",   "rslave", "nosuid",  "suid",
                                                   "dev",        "nodev",    "exec",    "noexec", "atime",   "noatime",
                                                   "nodiratime", "diratime", "relatime"};
    return known;
}

Json read_env(MemberReader env) {
    const std::string name = env.text("Name");
    if (name.empty() || name.find('=') != std::string::npos) env.refuse("Name", quote_json(name), "a variable's name");
    return {{"Name", name},
            {"Description", env.text("Description")},
            {"Settable", env.words("Settable")},
            {"Value", env.text_or_null("Value")}};
}

Json read_device(MemberReader device) {
    const Json path = device.text_or_null("Path");
    if (path.is_string() && path != "" && !is_absolute(path))
        device.refuse("Path", path.dump(), "an absolute path such as \"/dev/fuse\"");
    return {{"Name", device.text("Name")},
            {"Description", device.text("Description")},
            {"Settable", device.words("Settable")},
            {"Path", path}};
}

Json read_mount(MemberReader mount) {
    const std::string type = mount.text("Type"), destination = mount.text("Destination");
    if (type != "bind" && type != "tmpfs") mount.refuse("Type", quote_json(type), "\"bind\", \"tmpfs\"");
    if (!is_absolute(destination)) mount.refuse("Destination", quote_json(destination), "an absolute path");
    const Json source = mount.text_or_null("Source"), options = mount.words("Options");
    if (type == "bind" && source.is_string() && source != "" && source != "/" && !is_absolute(source))
        mount.refuse("Source", source.dump(), "an absolute path");
    if (type == "bind")
        for (const std::string option : options)
            if (std::find(bind_options().begin(), bind_options().end(), option) == bind_options().end())
                mount.refuse("Options", quote_json(option), join(bind_options(), ", "));
    return {{"Name", mount.text("Name")},
            {"Description", mount.text("Description")},
            {"Settable", mount.words("Settable")},
            {"Source", source},
            {"Destination", destination},
            {"Type", type},
            {"Options", options}};
}

// "docker.volumedriver/1.0": who defines it, what it is, and its version.
bool is_type(std::string_view type) {
    const auto parts = split(type, '/');
    const auto names = split(parts[0], '.');
    auto word = [](std::string_view text) {
        return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
            return std::isalnum(c) || c == '_' || c == '-' || c == '.';
        });
    };
    return parts.size() == 2 && names.size() == 2 && word(names[0]) && word(names[1]) && word(parts[1]);
}

Json read_interface(MemberReader interface) {
    const Json types = interface.words("Types");
    for (const std::string type : types)
        if (!is_type(type)) interface.refuse("Types", quote_json(type), "one such as \"docker.volumedriver/1.0\"");
    const std::string socket = interface.text("Socket"), scheme = interface.text("ProtocolScheme");
    if (socket.empty() || socket.size() > 100 || socket == "." || socket == ".." ||
        socket.find('/') != std::string::npos)
        interface.refuse("Socket", quote_json(socket), "a file's name such as \"plugin.sock\"");
    if (!scheme.empty() && scheme != "moby.plugins.http/v1")
        interface.refuse("ProtocolScheme", quote_json(scheme), "\"\", \"moby.plugins.http/v1\"");
    return {{"Types", types}, {"Socket", socket}, {"ProtocolScheme", scheme}};
}

Json read_linux(MemberReader part) {
    const Json names = part.words("Capabilities");
    if (auto known = container::effective_capabilities({}, names.get<std::vector<std::string>>(), {}, nullptr); !known)
        part.refuse(std::move(known).error());
    return {{"Capabilities", names},
            {"AllowAllDevices", part.flag("AllowAllDevices")},
            {"Devices", part.list("Devices", read_device)}};
}

Json read_user(MemberReader user) {
    Json result = Json::object();
    for (const char* key : {"UID", "GID"})
        if (const std::int64_t number = user.number(key, UINT32_MAX - 1); number != 0) result[key] = number;
    return result;
}

Json read_network(MemberReader network) {
    const std::string type = network.text("Type");
    if (type == "bridge")
        network.refuse(fail(Code::unsupported,
                            "Network.Type: \"bridge\" is not supported: a plugin has the host's "
                            "network (\"host\") or none of its own (\"none\")"));
    if (type != "" && type != "none" && type != "null" && type != "host")
        network.refuse("Type", quote_json(type), "\"host\", \"none\"");
    return {{"Type", type}};
}

Json read_arguments(MemberReader arguments) {
    return {{"Name", arguments.text("Name")},
            {"Description", arguments.text("Description")},
            {"Settable", arguments.words("Settable")},
            {"Value", arguments.words("Value")}};
}

Json read_rootfs(MemberReader rootfs) {
    const std::string type = rootfs.text("type");
    if (type != "layers") rootfs.refuse("type", quote_json(type), "\"layers\"");
    const Json ids = rootfs.words("diff_ids");
    for (const std::string id : ids)
        if (!image::valid_digest(id)) rootfs.refuse("diff_ids", quote_json(id), "\"sha256:\" and 64 hex digits");
    return {{"type", type}, {"diff_ids", ids}};
}

std::string privilege_text(const Json& privilege) {
    return privilege["Name"].get<std::string>() + " " + privilege["Value"].dump();
}

}  // namespace

Result<Json> read_config(std::string_view text) {
    if (text.size() > most_config_bytes) return fail(Code::invalid, "config.json: more than 1 MiB");
    GANTRY_TRY(Json document, image::parse_document(text, "config.json"));
    if (!document.is_object()) return fail(Code::invalid, "config.json: expected an object, found a list");
    MemberProblem problem{most_words, longest_word, {}};
    MemberReader config(document, "", problem);
    const Json entrypoint = config.words("Entrypoint");
    if (entrypoint.empty() || entrypoint[0] == "")
        config.refuse("Entrypoint", entrypoint.empty() ? "nothing" : "\"\"", "the program and its arguments");
    const std::string directory = config.text("WorkDir"), propagated = config.text("PropagatedMount");
    if (!directory.empty() && !directory.starts_with('/'))
        config.refuse("WorkDir", quote_json(directory), "an absolute path");
    if (!propagated.empty() && !is_absolute(propagated))
        config.refuse("PropagatedMount", quote_json(propagated), "an absolute path");
    Json result{{"Description", config.text("Description")},
                {"Documentation", config.text("Documentation")},
                {"Interface", read_interface(config.object("Interface"))},
                {"Entrypoint", entrypoint},
                {"WorkDir", directory},
                {"User", read_user(config.object("User"))},
                {"Network", read_network(config.object("Network"))},
                {"Linux", read_linux(config.object("Linux"))},
                {"PropagatedMount", propagated},
                {"IpcHost", config.flag("IpcHost")},
                {"PidHost", config.flag("PidHost")},
                {"Mounts", config.list("Mounts", read_mount)},
                {"Env", config.list("Env", read_env)},
                {"Args", read_arguments(config.object("Args"))}};
    if (config.has("rootfs")) result["rootfs"] = read_rootfs(config.object("rootfs"));
    if (problem.first) return std::move(*problem.first).context("config.json");
    return result;
}

std::string capability_of(std::string_view type) {
    const std::string_view name = split(type, '/')[0];
    return to_lower(name.substr(name.find('.') + 1));
}

Json privileges_of(const Json& config) {
    Json list = Json::array();
    auto add = [&](const char* name, const char* description, Json value) {
        list.push_back({{"Name", name}, {"Description", description}, {"Value", std::move(value)}});
    };
    if (const std::string type = config["Network"]["Type"]; type != "" && type != "null")
        add("network", "permissions to access a network", Json::array({type}));
    if (config["IpcHost"].get<bool>())
        add("host ipc namespace", "allow access to host ipc namespace", Json::array({"true"}));
    if (config["PidHost"].get<bool>())
        add("host pid namespace", "allow access to host pid namespace", Json::array({"true"}));
    for (const Json& mount : config["Mounts"])
        if (mount["Source"].is_string()) add("mount", "host path to mount", Json::array({mount["Source"]}));
    for (const Json& device : config["Linux"]["Devices"])
        if (device["Path"].is_string()) add("device", "host device to access", Json::array({device["Path"]}));
    if (config["Linux"]["AllowAllDevices"].get<bool>())
        add("allow-all-devices", "allow 'rwm' access to all devices", Json::array({"true"}));
    if (const Json& capabilities = config["Linux"]["Capabilities"]; !capabilities.empty())
        add("capabilities", "list of additional capabilities required", capabilities);
    return list;
}

Result<void> check_granted(const Json& config, const Json& granted) {
    if (!granted.is_array() || granted.size() > most_words)
        return fail(Code::invalid, "expected a list of the privileges that are granted");
    auto of = [](const Json& list, Json* out) -> Result<void> {
        *out = Json::array();
        for (const Json& one : list) {
            MemberProblem problem{most_words, longest_word, {}};
            if (!one.is_object()) return fail(Code::invalid, "a privilege that is granted: expected an object");
            MemberReader reader(one, "", problem);
            Json privilege{{"Name", reader.text("Name")}, {"Value", reader.words("Value")}};
            if (problem.first) return std::move(*problem.first).context("a privilege that is granted");
            // The order of the values says nothing.
            std::sort(privilege["Value"].begin(), privilege["Value"].end());
            out->push_back(std::move(privilege));
        }
        std::sort(out->begin(), out->end());
        return {};
    };
    Json needed, given, missing, more;
    GANTRY_CHECK(of(privileges_of(config), &needed));
    GANTRY_CHECK(of(granted, &given));
    std::set_difference(needed.begin(), needed.end(), given.begin(), given.end(), std::back_inserter(missing));
    std::set_difference(given.begin(), given.end(), needed.begin(), needed.end(), std::back_inserter(more));
    if (!missing.empty())
        return fail(Code::denied,
                    "incorrect privileges: the plugin needs " + privilege_text(missing[0]) + ", which is not granted");
    if (!more.empty())
        return fail(Code::denied, "incorrect privileges: " + privilege_text(more[0]) +
                                      " is granted, which the plugin does not ask for");
    return {};
}

}  // namespace gantry::plugin
