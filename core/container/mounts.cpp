#include "core/container/mounts.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "core/base/ids.hpp"
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"

namespace gantry::container {
namespace {

constexpr std::string_view propagations[] = {"private", "rprivate", "shared", "rshared", "slave", "rslave"};

// "/a/../b/" -> "/b"; "" for what is not an absolute path or is the root itself.
std::string clean_destination(const std::string& path) {
    if (!path.starts_with('/')) return {};
    std::string clean = clean_relative(path);
    return clean.empty() ? std::string() : "/" + clean;
}

Result<void> check_destination(MountPoint& point, const std::string& given) {
    point.destination = clean_destination(given);
    if (!point.destination.empty()) return {};
    if (given.starts_with('/')) return fail(Code::invalid, "invalid volume specification: destination can't be '/'");
    return fail(Code::invalid, "invalid mount path: '" + given + "' mount path must be absolute");
}

Result<void> apply_mode(MountPoint& point, const std::string& mode) {
    bool access_given = false;
    for (std::string_view word : split(mode, ',')) {
        if (word.empty()) continue;
        if (word == "ro" || word == "rw") {
            if (std::exchange(access_given, true)) return fail(Code::invalid, "invalid mode: " + mode);
        }
        if (word == "ro")
            point.writable = false;
        else if (word == "rw")
            point.writable = true;
        else if (word == "nocopy" && point.type == "volume")
            point.copy = false;
        else if (std::find(std::begin(propagations), std::end(propagations), word) != std::end(propagations) &&
                 point.type == "bind")
            point.propagation = std::string(word);
        else if (word == "z" || word == "Z")
            return fail(Code::unsupported,
                        "mount mode \"" + std::string(word) + "\": this machine has no SELinux to relabel for");
        else
            return fail(Code::invalid, "invalid mode: " + mode);
    }
    return {};
}

// One entry of Binds: "SOURCE:DESTINATION[:MODE]".
Result<MountPoint> parse_bind(const std::string& text) {
    auto parts = split(text, ':');
    if (parts.size() < 2 || parts.size() > 3 || parts[0].empty() || parts[1].empty())
        return fail(Code::invalid, "invalid volume specification: '" + text + "'");
    MountPoint point;
    point.source = std::string(parts[0]);
    if (parts.size() == 3) point.mode = std::string(parts[2]);
    if (point.source.starts_with('/')) {
        point.type = "bind";
        point.source = "/" + clean_relative(point.source);
        point.propagation = "rprivate";
        point.create_source = true;
    } else {
        point.type = "volume";
        if (!valid_name(point.source))
            return fail(Code::invalid, "create " + point.source + ": \"" + point.source +
                                           "\" includes invalid characters for a local volume name, only "
                                           "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. "
                                           "If you intended to pass a host directory, use absolute path");
        point.name = std::exchange(point.source, {});
    }
    GANTRY_CHECK(check_destination(point, std::string(parts[1])));
    GANTRY_CHECK(apply_mode(point, point.mode));
    return point;
}

Error bad_mount(const std::string& type, const std::string& why) {
    return fail(Code::invalid, "invalid mount config for type \"" + type + "\": " + why);
}

// What lies in a volume or an image, by a path that does not climb out of it.
Result<std::string> parse_subpath(const std::string& type, const std::string& subpath) {
    bool within = !subpath.starts_with('/');
    int depth = 0;
    for (std::string_view part : split(subpath, '/'))
        if (!part.empty() && part != ".") within = within && (depth += part == ".." ? -1 : 1) >= 0;
    if (!within) return bad_mount(type, "subpath must be a relative path within the " + type);
    return clean_relative(subpath);
}

// One object of Mounts.
Result<MountPoint> parse_mount(const Json& mount, WantedMounts& wanted) {
    MountPoint point;
    point.type = mount.value("Type", "");
    point.source = mount.value("Source", "");
    point.writable = !mount.value("ReadOnly", false);
    auto options = [&](const char* key) {
        return mount.contains(key) && mount[key].is_object() ? mount[key] : Json::object();
    };
    std::string target = mount.value("Target", "");
    if (target.empty()) return bad_mount(point.type, "field Target must not be empty");
    if (point.type == "bind") {
        Json bind = options("BindOptions");
        if (point.source.empty()) return bad_mount("bind", "field Source must not be empty");
        if (!point.source.starts_with('/'))
            return bad_mount("bind", "invalid mount path: '" + point.source + "' mount path must be absolute");
        point.source = "/" + clean_relative(point.source);
        point.propagation = bind.value("Propagation", "");
        if (point.propagation.empty()) point.propagation = "rprivate";
        if (std::find(std::begin(propagations), std::end(propagations), point.propagation) == std::end(propagations))
            return bad_mount("bind", "invalid propagation mode: " + point.propagation);
        point.recursive = !bind.value("NonRecursive", false);
        point.create_source = bind.value("CreateMountpoint", false);
        if (bind.value("ReadOnlyNonRecursive", false) || bind.value("ReadOnlyForceRecursive", false))
            return fail(Code::unsupported,
                        "bind options ReadOnlyNonRecursive and ReadOnlyForceRecursive are not supported");
        struct stat info {};
        if (!point.create_source && ::stat(point.source.c_str(), &info) != 0)
            return bad_mount("bind", "bind source path does not exist: " + point.source);
    } else if (point.type == "volume") {
        Json volume = options("VolumeOptions");
        point.name = std::exchange(point.source, {});
        point.anonymous = point.name.empty();
        if (!point.anonymous && !valid_name(point.name))
            return bad_mount("volume", "invalid volume name \"" + point.name + "\"");
        point.copy = !volume.value("NoCopy", false);
        GANTRY_TRY(point.subpath, parse_subpath("volume", volume.value("Subpath", "")));
        Json driver = volume.contains("DriverConfig") && volume["DriverConfig"].is_object() ? volume["DriverConfig"]
                                                                                            : Json::object();
        point.driver = driver.value("Name", "");
        if (driver.contains("Options")) wanted.volume_options[wanted.points.size()] = driver["Options"];
        if (volume.contains("Labels")) wanted.volume_labels[wanted.points.size()] = volume["Labels"];
    } else if (point.type == "tmpfs") {
        if (!point.source.empty()) return bad_mount("tmpfs", "field Source must not be specified");
        Json tmpfs = options("TmpfsOptions");
        point.tmpfs_options = {"nosuid", "nodev", "noexec"};
        if (std::int64_t size = tmpfs.value("SizeBytes", std::int64_t{0}); size > 0)
            point.tmpfs_options.push_back("size=" + std::to_string(size));
        if (std::int64_t mode = tmpfs.value("Mode", std::int64_t{0}); mode > 0) {
            char octal[32];
            std::snprintf(octal, sizeof octal, "mode=%llo", static_cast<unsigned long long>(mode));
            point.tmpfs_options.push_back(octal);
        }
        if (tmpfs.contains("Options") && !tmpfs["Options"].empty())
            return fail(Code::unsupported, "tmpfs options beside size and mode are not supported");
    } else if (point.type == "image") {
        point.name = std::exchange(point.source, {});
        if (point.name.empty()) return bad_mount("image", "field Source must not be empty");
        for (const char* other : {"BindOptions", "VolumeOptions", "TmpfsOptions"})
            if (!options(other).empty())
                return bad_mount("image", "field " + std::string(other) + " must not be specified");
        point.writable = point.copy = point.recursive = false;
        GANTRY_TRY(point.subpath, parse_subpath("image", options("ImageOptions").value("Subpath", "")));
    } else if (point.type == "cluster" || point.type == "npipe") {
        return fail(Code::unsupported, "mount type \"" + point.type + "\" is not supported");
    } else {
        return fail(Code::invalid, "invalid mount config: mount type unknown: \"" + point.type + "\"");
    }
    GANTRY_CHECK(check_destination(point, target));
    return point;
}

Result<MountPoint> parse_tmpfs(const std::string& destination, const std::string& options) {
    MountPoint point;
    point.type = "tmpfs";
    point.tmpfs_options = {"nosuid", "nodev", "noexec"};
    constexpr std::string_view plain[] = {"ro",    "rw",      "exec",       "noexec",   "suid", "nosuid", "dev",
                                          "nodev", "noatime", "nodiratime", "relatime", "sync", "async"};
    constexpr std::string_view valued[] = {"size=", "mode=", "uid=", "gid=", "nr_inodes=", "nr_blocks="};
    for (std::string_view word : split(options, ',')) {
        if (word.empty()) continue;
        bool known = std::find(std::begin(plain), std::end(plain), word) != std::end(plain) ||
                     std::any_of(std::begin(valued), std::end(valued),
                                 [&](std::string_view prefix) { return word.starts_with(prefix); });
        if (!known) return fail(Code::invalid, "invalid tmpfs option [\"" + std::string(word) + "\"]");
        // The opposite of a default takes its place.
        for (std::string_view flag : {"exec", "suid", "dev"})
            if (word == flag) std::erase(point.tmpfs_options, "no" + std::string(flag));
        if (word == "ro")
            point.writable = false;
        else if (word != "rw" && word != "exec" && word != "suid" && word != "dev")
            point.tmpfs_options.emplace_back(word);
    }
    GANTRY_CHECK(check_destination(point, destination));
    return point;
}

}  // namespace

Result<WantedMounts> wanted_mounts(const Json& config, const Json& host_config,
                                   const std::function<Result<std::vector<MountPoint>>(const std::string&)>& from) {
    WantedMounts wanted;
    auto list = [](const Json& object, const char* key) {
        return object.contains(key) && !object[key].is_null() ? object[key] : Json::array();
    };
    auto taken = [&](const std::string& destination) {
        return std::any_of(wanted.points.begin(), wanted.points.end(),
                           [&](const MountPoint& p) { return p.destination == destination; });
    };
    auto add = [&](MountPoint point) -> Result<void> {
        // Only what the kernel gives and we made may be seen at these places (CVE-2019-16884, CVE-2019-19921).
        for (std::string_view reserved : {"/proc", "/sys"})
            if (point.destination == reserved || (point.destination + "/").starts_with(std::string(reserved) + "/"))
                return fail(Code::invalid, "invalid mount path: \"" + point.destination + "\" is inside \"" +
                                               std::string(reserved) + "\"");
        if (taken(point.destination)) return fail(Code::invalid, "Duplicate mount point: " + point.destination);
        wanted.points.push_back(std::move(point));
        return {};
    };
    try {
        for (const Json& bind : list(host_config, "Binds")) {
            GANTRY_TRY(MountPoint point, parse_bind(bind.get<std::string>()));
            GANTRY_CHECK(add(std::move(point)));
        }
        for (const Json& mount : list(host_config, "Mounts")) {
            GANTRY_TRY(MountPoint point, parse_mount(mount, wanted));
            GANTRY_CHECK(add(std::move(point)));
        }
        const Json tmpfs = list(host_config, "Tmpfs"), volumes = list(config, "Volumes");
        for (const auto& [destination, options] : tmpfs.items()) {
            GANTRY_TRY(MountPoint point, parse_tmpfs(destination, options.get<std::string>()));
            GANTRY_CHECK(add(std::move(point)));
        }
        for (const Json& item : list(host_config, "VolumesFrom")) {
            std::string text = item.get<std::string>();
            std::size_t colon = text.find(':');
            std::string mode = colon == std::string::npos ? "" : text.substr(colon + 1);
            if (!mode.empty() && mode != "ro" && mode != "rw") return fail(Code::invalid, "invalid mode: " + mode);
            GANTRY_TRY(auto points, from(text.substr(0, colon)));
            for (MountPoint& point : points) {
                if (point.type == "tmpfs" || taken(point.destination)) continue;
                point.anonymous = false;
                if (mode == "ro") point.writable = false;
                if (mode == "rw" && point.type == "image")
                    return fail(Code::invalid, "invalid mode: rw: " + point.destination + " is a mount of an image");
                GANTRY_CHECK(add(std::move(point)));
            }
        }
        // Last, because an image's VOLUME gives way to whatever the user mounts there.
        for (const auto& [destination, unused] : volumes.items()) {
            MountPoint point;
            point.type = "volume";
            point.anonymous = true;
            GANTRY_CHECK(check_destination(point, destination));
            if (!taken(point.destination)) GANTRY_CHECK(add(std::move(point)));
        }
    } catch (const Json::exception& e) {
        return fail(Code::invalid, std::string("invalid mount configuration: ") + e.what());
    }
    // Parents first, so that /data/sub is mounted inside /data; the maps follow their points.
    std::vector<std::size_t> order(wanted.points.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        auto depth = [&](std::size_t i) {
            return std::count(wanted.points[i].destination.begin(), wanted.points[i].destination.end(), '/');
        };
        return depth(a) < depth(b);
    });
    WantedMounts sorted;
    sorted.warnings = wanted.warnings;
    for (std::size_t index : order) {
        if (auto found = wanted.volume_options.find(index); found != wanted.volume_options.end())
            sorted.volume_options[sorted.points.size()] = found->second;
        if (auto found = wanted.volume_labels.find(index); found != wanted.volume_labels.end())
            sorted.volume_labels[sorted.points.size()] = found->second;
        sorted.points.push_back(std::move(wanted.points[index]));
    }
    return sorted;
}

}  // namespace gantry::container
