#include "core/container/devices.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <set>

#include "core/base/files.hpp"
#include "core/base/text.hpp"

namespace gantry::container {
namespace {

bool valid_access(const std::string& text) {
    return !text.empty() && text.size() <= 3 && text.find_first_not_of("rwm") == std::string::npos;
}

Json node(const std::string& path, const DeviceNumber& device) {
    return {{"path", path},
            {"type", std::string(1, device.type)},
            {"major", device.major},
            {"minor", device.minor},
            {"fileMode", device.mode},
            {"uid", device.uid},
            {"gid", device.gid}};
}

// The nodes directly in /dev and one level below that a privileged container gets.
void collect(const std::string& directory, int depth, std::map<std::string, DeviceNumber>& found) {
    static const std::set<std::string> own = {"/dev/pts",     "/dev/shm",  "/dev/mqueue",
                                              "/dev/console", "/dev/ptmx", "/dev/fd"};
    auto names = list_directory(directory);
    if (!names) return;
    for (const auto& name : *names) {
        std::string path = directory + "/" + name;
        if (own.contains(path)) continue;
        struct stat info {};
        if (::lstat(path.c_str(), &info) != 0) continue;
        if (S_ISDIR(info.st_mode) && depth > 0)
            collect(path, depth - 1, found);
        else if (auto device = device_number(path); device && !S_ISLNK(info.st_mode))
            found[path] = *device;
    }
}

}  // namespace

std::optional<DeviceNumber> device_number(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0 || (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode))) return std::nullopt;
    return DeviceNumber{S_ISCHR(info.st_mode) ? 'c' : 'b',
                        major(info.st_rdev),
                        minor(info.st_rdev),
                        info.st_mode & 07777u,
                        info.st_uid,
                        info.st_gid};
}

Result<void> check_devices(const Json& host_config) {
    for (const Json& device : host_config["Devices"]) {
        std::string path = device.value("PathOnHost", ""), access = device.value("CgroupPermissions", "");
        if (!device_number(path))
            return fail(Code::invalid, "error gathering device information while adding custom device \"" + path +
                                           "\": not a device node");
        if (!access.empty() && !valid_access(access)) return fail(Code::invalid, "invalid device mode: " + access);
    }
    if (const Json& rules = host_config["DeviceCgroupRules"]; rules.is_array())
        for (const Json& rule : rules) {
            auto parts = split(rule.get_ref<const std::string&>(), ' ');
            auto numbers = parts.size() == 3 ? split(parts[1], ':') : std::vector<std::string_view>{};
            bool good = parts.size() == 3 && (parts[0] == "a" || parts[0] == "b" || parts[0] == "c") &&
                        numbers.size() == 2 && valid_access(std::string(parts[2]));
            for (std::string_view number : numbers) good = good && (number == "*" || parse_int(number));
            if (!good)
                return fail(Code::invalid, "invalid device cgroup rule format: '" + rule.get<std::string>() + "'");
        }
    return {};
}

Json device_nodes(const Json& host_config, bool privileged) {
    Json nodes = Json::array();
    if (privileged) {
        std::map<std::string, DeviceNumber> found;
        collect("/dev", 1, found);
        for (const auto& [path, device] : found) nodes.push_back(node(path, device));
    }
    for (const Json& device : host_config["Devices"])
        if (auto number = device_number(device.value("PathOnHost", ""))) {
            std::string inside = device.value("PathInContainer", "");
            nodes.push_back(node(inside.empty() ? device.value("PathOnHost", "") : inside, *number));
        }
    return nodes;
}

Json device_rules(const Json& host_config, bool privileged) {
    if (privileged) return Json::array({{{"allow", true}, {"access", "rwm"}}});
    Json rules = Json::array({{{"allow", false}, {"access", "rwm"}}});
    auto allow = [&](char type, std::optional<std::int64_t> major_number, std::optional<std::int64_t> minor_number,
                     const std::string& access) {
        Json rule{{"allow", true}, {"type", std::string(1, type)}, {"access", access}};
        if (major_number) rule["major"] = *major_number;
        if (minor_number) rule["minor"] = *minor_number;
        rules.push_back(rule);
    };
    // mknod of anything is harmless while opening it is not allowed; then null, zero, full, random, urandom, tty, ptmx, ptys.
    allow('c', std::nullopt, std::nullopt, "m");
    allow('b', std::nullopt, std::nullopt, "m");
    for (auto [major_number, minor_number] : {std::pair{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}})
        allow('c', major_number, minor_number, "rwm");
    allow('c', 136, std::nullopt, "rwm");
    for (const Json& device : host_config["Devices"])
        if (auto number = device_number(device.value("PathOnHost", ""))) {
            std::string access = device.value("CgroupPermissions", "");
            allow(number->type, number->major, number->minor, access.empty() ? "rwm" : access);
        }
    if (const Json& list = host_config["DeviceCgroupRules"]; list.is_array())
        for (const Json& rule : list) {
            auto parts = split(rule.get_ref<const std::string&>(), ' ');
            auto numbers = split(parts[1], ':');
            for (char type : parts[0] == "a" ? std::string("bc") : std::string(parts[0]))
                allow(type, parse_int(numbers[0]), parse_int(numbers[1]), std::string(parts[2]));
        }
    return rules;
}

}  // namespace gantry::container
