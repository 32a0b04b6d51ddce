#include "plugins/storage/volume/local/mount_options.hpp"

#include <sys/mount.h>

#include <algorithm>
#include <map>
#include <string_view>

#include <gantry/driver.hpp>

namespace gantry::local_volume {
namespace {

struct Flag {
    std::uint64_t set, clear;
};

const std::map<std::string, Flag, std::less<>>& flags() {
    static const std::map<std::string, Flag, std::less<>> known = {
        {"ro", {MOUNT_ATTR_RDONLY, 0}},
        {"rw", {0, MOUNT_ATTR_RDONLY}},
        {"nosuid", {MOUNT_ATTR_NOSUID, 0}},
        {"suid", {0, MOUNT_ATTR_NOSUID}},
        {"nodev", {MOUNT_ATTR_NODEV, 0}},
        {"dev", {0, MOUNT_ATTR_NODEV}},
        {"noexec", {MOUNT_ATTR_NOEXEC, 0}},
        {"exec", {0, MOUNT_ATTR_NOEXEC}},
        {"noatime", {MOUNT_ATTR_NOATIME, 0}},
        {"atime", {0, MOUNT_ATTR_NOATIME}},
        {"nodiratime", {MOUNT_ATTR_NODIRATIME, 0}},
        {"diratime", {0, MOUNT_ATTR_NODIRATIME}},
        {"relatime", {0, MOUNT_ATTR_NOATIME}},
    };
    return known;
}

bool is_tmpfs_setting(std::string_view key) {
    static constexpr std::string_view known[] = {"size", "nr_blocks", "nr_inodes", "mode", "uid", "gid", "huge"};
    return std::find(std::begin(known), std::end(known), key) != std::end(known);
}

Result<void> one_option(std::string_view word, MountOptions& options) {
    if (auto flag = flags().find(word); flag != flags().end()) {
        options.attributes = (options.attributes & ~flag->second.clear) | flag->second.set;
        return {};
    }
    if (options.source == Source::bind && (word == "bind" || word == "rbind")) {
        options.recursive = word == "rbind";
        return {};
    }
    std::size_t equals = word.find('=');
    if (options.source == Source::tmpfs && equals != std::string_view::npos &&
        is_tmpfs_setting(word.substr(0, equals))) {
        options.settings.emplace_back(word.substr(0, equals), word.substr(equals + 1));
        return {};
    }
    return fail(
        Code::unsupported,
        "option \"o\": \"" + std::string(word) + "\" is not offered; allowed are " +
            (options.source == Source::tmpfs ? "size, nr_blocks, nr_inodes, mode, uid, gid, huge" : "bind, rbind") +
            " and ro, rw, nosuid, nodev, noexec, noatime, nodiratime, relatime and their opposites");
}

}  // namespace

Result<MountOptions> parse_mount_options(const Json& options) {
    const auto type = member<std::string>(options, "type");
    const auto device = member<std::string>(options, "device");
    const auto o = member<std::string>(options, "o");
    MountOptions parsed;
    if (type.empty() && device.empty() && o.empty()) return parsed;
    const bool asks_bind =
        ("," + o + ",").find(",bind,") != std::string::npos || ("," + o + ",").find(",rbind,") != std::string::npos;
    if (type == "tmpfs") {
        parsed.source = Source::tmpfs;
    } else if ((type == "none" || type == "bind" || type.empty()) && asks_bind) {
        parsed.source = Source::bind;
    } else {
        return fail(Code::unsupported, "option \"type\": \"" + type +
                                           "\" is not offered by the driver \"local\"; allowed are \"tmpfs\", and "
                                           "\"none\" with \"o\" set to \"bind\"");
    }
    if (device.empty()) return fail(Code::invalid, "missing required option: \"device\"");
    if (parsed.source == Source::bind && device.front() != '/')
        return fail(Code::invalid, "option \"device\": \"" + device + "\" is not an absolute path");
    if (device.find('\0') != std::string::npos || o.find('\0') != std::string::npos)
        return fail(Code::invalid, "an option contains a NUL byte");
    parsed.device = device;
    for (std::size_t start = 0; start <= o.size();) {
        std::size_t comma = std::min(o.find(',', start), o.size());
        std::string_view word = std::string_view(o).substr(start, comma - start);
        start = comma + 1;
        if (!word.empty()) GANTRY_CHECK(one_option(word, parsed));
    }
    return parsed;
}

}  // namespace gantry::local_volume
