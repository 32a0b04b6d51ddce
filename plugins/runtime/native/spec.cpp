#include "spec.hpp"

#include <climits>

#include "fields.hpp"

namespace gantry::native {
namespace {

constexpr std::size_t most_mounts = 4096, most_items = 4096;

constexpr std::string_view namespace_names[namespace_kinds] = {"pid", "network", "mount",  "ipc",
                                                               "uts", "user",    "cgroup", "time"};

Result<void> check_path(const std::string& path, const std::string& where) {
    if (path.empty() || path[0] != '/')
        return fail(Code::invalid, "\"" + where + "\" is \"" + path.substr(0, 80) + "\", not an absolute path");
    if (path.size() >= PATH_MAX)
        return fail(Code::invalid,
                    "\"" + where + "\" is a path of " + std::to_string(path.size()) + " bytes; 4095 are allowed");
    return {};
}

Result<void> parse_mounts(const Json& list, std::vector<MountSpec>& out) {
    if (list.size() > most_mounts)
        return fail(Code::invalid, "\"mounts\" has " + std::to_string(list.size()) + " entries; " +
                                       std::to_string(most_mounts) + " are allowed");
    for (const Json& item : list) {
        const std::string where = "mounts[" + std::to_string(out.size()) + "]";
        MountSpec mount;
        Fields fields(item, where);
        fields.text("destination", mount.destination);
        fields.text("type", mount.type);
        fields.text("source", mount.source);
        fields.strings("options", mount.options);
        fields.refuse("uidMappings");
        fields.refuse("gidMappings");
        GANTRY_CHECK(fields.finish());
        GANTRY_CHECK(check_path(mount.destination, where + ".destination"));
        if (mount.source.size() >= PATH_MAX)
            return fail(Code::invalid, "\"" + where + ".source\" is longer than 4095 bytes");
        out.push_back(std::move(mount));
    }
    return {};
}

Result<void> parse_namespaces(const Json& list, Spec& spec) {
    for (const Json& item : list) {
        std::string type, path;
        Fields fields(item, "linux.namespaces[]");
        fields.text("type", type);
        fields.text("path", path);
        GANTRY_CHECK(fields.finish());
        std::size_t kind = 0;
        while (kind < namespace_kinds && namespace_names[kind] != type) ++kind;
        if (kind == namespace_kinds) return fail(Code::invalid, "namespace type \"" + type + "\" is not known");
        auto& entry = spec.namespaces[kind];
        if (entry.mode != NamespaceSpec::Mode::absent)
            return fail(Code::invalid, "namespace \"" + type + "\" is given twice");
        if (!path.empty()) GANTRY_CHECK(check_path(path, "linux.namespaces." + type + ".path"));
        entry = {path.empty() ? NamespaceSpec::Mode::fresh : NamespaceSpec::Mode::path, path};
    }
    if (!spec.fresh(NamespaceKind::mount))
        return fail(Code::unsupported, "a container without a mount namespace of its own is not supported");
    if (spec.at(NamespaceKind::time).mode != NamespaceSpec::Mode::absent)
        return fail(Code::unsupported, "time namespaces are not supported");
    if (spec.at(NamespaceKind::user).mode == NamespaceSpec::Mode::path)
        return fail(Code::unsupported, "joining a user namespace by path is not supported");
    return {};
}

Result<void> parse_mappings(const Json* list, const std::string& where, std::vector<IdMapping>& out) {
    if (!list) return {};
    if (list->size() > 340) return fail(Code::invalid, "\"" + where + "\" has more than 340 entries");
    for (const Json& item : *list) {
        std::int64_t inside = unset, outside = unset, count = unset;
        Fields fields(item, where);
        fields.number("containerID", inside, 0, UINT32_MAX - 1);
        fields.number("hostID", outside, 0, UINT32_MAX - 1);
        fields.number("size", count, 1, UINT32_MAX - 1);
        GANTRY_CHECK(fields.finish());
        if (inside == unset || outside == unset || count == unset)
            return fail(Code::invalid, "\"" + where + "\" lacks containerID, hostID or size");
        out.push_back({static_cast<std::uint32_t>(inside), static_cast<std::uint32_t>(outside),
                       static_cast<std::uint32_t>(count)});
    }
    return {};
}

Result<void> parse_devices(const Json& list, std::vector<DeviceSpec>& out) {
    if (list.size() > most_items)
        return fail(Code::invalid, "\"linux.devices\" has more than " + std::to_string(most_items) + " entries");
    for (const Json& item : list) {
        const std::string where = "linux.devices[" + std::to_string(out.size()) + "]";
        DeviceSpec device;
        std::string type;
        std::int64_t major = 0, minor = 0, mode = 0666, uid = 0, gid = 0;
        Fields fields(item, where);
        fields.text("type", type);
        fields.text("path", device.path);
        fields.number("major", major, 0, 0xfff);
        fields.number("minor", minor, 0, 0xfffff);
        fields.number("fileMode", mode, 0, 0177777);
        fields.number("uid", uid, 0, UINT32_MAX - 1);
        fields.number("gid", gid, 0, UINT32_MAX - 1);
        GANTRY_CHECK(fields.finish());
        GANTRY_CHECK(check_path(device.path, where + ".path"));
        if (type == "u") type = "c";
        if (type != "c" && type != "b" && type != "p")
            return fail(Code::invalid, "\"" + where + ".type\" is \"" + type + "\"; c, u, b and p are known");
        device.type = type[0];
        device.major = static_cast<unsigned>(major);
        device.minor = static_cast<unsigned>(minor);
        device.mode = static_cast<mode_t>(mode & 07777);
        device.uid = static_cast<uid_t>(uid);
        device.gid = static_cast<gid_t>(gid);
        out.push_back(std::move(device));
    }
    return {};
}

Result<void> parse_personality(const Json& json, std::int64_t& out) {
    std::string domain;
    Fields fields(json, "linux.personality");
    fields.text("domain", domain);
    fields.refuse("flags");
    GANTRY_CHECK(fields.finish());
    if (domain == "LINUX")
        out = 0;
    else if (domain == "LINUX32")
        out = 8;
    else
        return fail(Code::invalid, "\"linux.personality.domain\" is \"" + domain + "\"; LINUX and LINUX32 are known");
    return {};
}

Result<void> parse_linux(const Json& json, Spec& spec) {
    Fields fields(json, "linux");
    const Json* namespaces = fields.array("namespaces");
    const Json* uids = fields.array("uidMappings");
    const Json* gids = fields.array("gidMappings");
    const Json* devices = fields.array("devices");
    const Json* resources = fields.object("resources");
    const Json* seccomp = fields.object("seccomp");
    const Json* sysctl = fields.object("sysctl");
    const Json* personality = fields.object("personality");
    fields.text("cgroupsPath", spec.cgroups_path);
    fields.text("rootfsPropagation", spec.root_propagation);
    fields.strings("maskedPaths", spec.masked);
    fields.strings("readonlyPaths", spec.read_only);
    for (const char* key : {"mountLabel", "intelRdt", "timeOffsets", "netDevices", "memoryPolicy"}) fields.refuse(key);
    GANTRY_CHECK(fields.finish());
    if (namespaces)
        GANTRY_CHECK(parse_namespaces(*namespaces, spec));
    else
        return fail(Code::invalid, "\"linux.namespaces\" is missing");
    GANTRY_CHECK(parse_mappings(uids, "linux.uidMappings", spec.uid_map));
    GANTRY_CHECK(parse_mappings(gids, "linux.gidMappings", spec.gid_map));
    if (spec.fresh(NamespaceKind::user) != (!spec.uid_map.empty() && !spec.gid_map.empty()))
        return fail(Code::invalid, "a user namespace and uidMappings with gidMappings go together");
    if (devices) GANTRY_CHECK(parse_devices(*devices, spec.devices));
    if (resources) {
        GANTRY_TRY(spec.resources, parse_resources(*resources, "linux.resources"));
    }
    if (seccomp) spec.seccomp = *seccomp;
    if (personality) GANTRY_CHECK(parse_personality(*personality, spec.personality));
    if (sysctl)
        for (const auto& [key, value] : sysctl->items()) {
            if (!value.is_string()) return fail(Code::invalid, "sysctl \"" + key + "\" is not text");
            spec.sysctls.emplace_back(key, value.get<std::string>());
        }
    for (const auto* list : {&spec.masked, &spec.read_only}) {
        if (list->size() > most_items)
            return fail(Code::invalid, "more than " + std::to_string(most_items) + " masked or read-only paths");
        for (const std::string& path : *list) GANTRY_CHECK(check_path(path, "linux.maskedPaths or readonlyPaths"));
    }
    if (!spec.cgroups_path.empty()) {
        GANTRY_CHECK(check_path(spec.cgroups_path, "linux.cgroupsPath"));
        if (("/" + spec.cgroups_path + "/").find("/../") != std::string::npos ||
            ("/" + spec.cgroups_path + "/").find("/./") != std::string::npos)
            return fail(Code::invalid,
                        "\"linux.cgroupsPath\" is \"" + spec.cgroups_path + "\": \".\" and \"..\" are not allowed");
    }
    return {};
}

}  // namespace

Result<Spec> parse_spec(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) return fail(Code::invalid, "config.json is not JSON");
    Spec spec;
    Fields fields(json, "");
    const Json* process = fields.object("process");
    const Json* root = fields.object("root");
    const Json* mounts = fields.array("mounts");
    const Json* linux_part = fields.object("linux");
    const Json* annotations = fields.object("annotations");
    std::string version;
    fields.text("ociVersion", version);
    fields.text("hostname", spec.hostname);
    fields.text("domainname", spec.domainname);
    for (const char* key : {"hooks", "solaris", "windows", "vm", "zos"}) fields.refuse(key);
    GANTRY_CHECK(fields.finish());
    if (!process) return fail(Code::invalid, "\"process\" is missing");
    if (!linux_part) return fail(Code::invalid, "\"linux\" is missing");
    GANTRY_TRY(spec.process, parse_process(*process, "process"));
    if (root) {
        Fields of_root(*root, "root");
        of_root.ignore("path");  // the plan in the request says where the root is
        of_root.boolean("readonly", spec.root_read_only);
        GANTRY_CHECK(of_root.finish());
    }
    if (mounts) GANTRY_CHECK(parse_mounts(*mounts, spec.mounts));
    if (annotations) {
        const auto init = annotations->find("gantry.init");
        spec.init = init != annotations->end() && *init == "1";
    }
    GANTRY_CHECK(parse_linux(*linux_part, spec));
    for (const std::string* name : {&spec.hostname, &spec.domainname}) {
        if (name->size() > 64)
            return fail(Code::invalid, "host or domain name \"" + *name + "\" is longer than 64 bytes");
        if (!name->empty() && !spec.fresh(NamespaceKind::uts))
            return fail(Code::invalid, "host or domain name \"" + *name + "\" needs a uts namespace of its own");
    }
    return spec;
}

}  // namespace gantry::native
