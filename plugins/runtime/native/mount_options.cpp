#include <sys/mount.h>

#include <algorithm>
#include <string_view>

#include "mounts.hpp"

namespace gantry::native {
namespace {

struct Attribute {
    std::string_view name;
    std::uint64_t set, clear;
};
constexpr Attribute attributes[] = {{"ro", MOUNT_ATTR_RDONLY, 0},
                                    {"rw", 0, MOUNT_ATTR_RDONLY},
                                    {"nosuid", MOUNT_ATTR_NOSUID, 0},
                                    {"suid", 0, MOUNT_ATTR_NOSUID},
                                    {"nodev", MOUNT_ATTR_NODEV, 0},
                                    {"dev", 0, MOUNT_ATTR_NODEV},
                                    {"noexec", MOUNT_ATTR_NOEXEC, 0},
                                    {"exec", 0, MOUNT_ATTR_NOEXEC},
                                    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
                                    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
                                    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
                                    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
                                    {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
                                    {"atime", 0, MOUNT_ATTR__ATIME},
                                    {"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
                                    {"nostrictatime", 0, MOUNT_ATTR__ATIME},
                                    {"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
                                    {"norelatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME}};

struct Propagation {
    std::string_view name;
    std::uint64_t flag;
};
constexpr Propagation propagations[] = {
    {"private", MS_PRIVATE}, {"slave", MS_SLAVE}, {"shared", MS_SHARED}, {"unbindable", MS_UNBINDABLE}};

const Attribute* find_attribute(std::string_view name) {
    const auto found =
        std::find_if(std::begin(attributes), std::end(attributes), [&](const Attribute& a) { return a.name == name; });
    return found == std::end(attributes) ? nullptr : found;
}

}  // namespace

Result<MountOptions> parse_mount_options(const MountSpec& mount) {
    MountOptions out;
    for (const std::string& option : mount.options) {
        if (option == "defaults" || option.empty()) continue;
        if (option == "bind" || option == "rbind") {
            out.bind = true;
            out.bind_depth = option == "rbind" ? Depth::tree : Depth::one;
            continue;
        }
        if (const Attribute* attribute = find_attribute(option)) {
            out.set = (out.set & ~attribute->clear) | attribute->set;
            out.clear = (out.clear & ~attribute->set) | attribute->clear;
            continue;
        }
        const std::string_view rest = std::string_view(option).substr(1);
        if (const Attribute* attribute = option[0] == 'r' ? find_attribute(rest) : nullptr) {
            out.recursive_set |= attribute->set;
            out.recursive_clear |= attribute->clear;
            continue;
        }
        bool propagation = false;
        for (const Propagation& entry : propagations) {
            const bool recursive = option[0] == 'r' && rest == entry.name;
            if (option != entry.name && !recursive) continue;
            propagation = true;
            out.propagation = entry.flag;
            out.propagation_depth = recursive ? Depth::tree : Depth::one;
        }
        if (propagation) continue;
        if (option == "remount" || option == "tmpcopyup" || option == "idmap" || option == "ridmap" ||
            option.starts_with("context="))
            return fail(Code::unsupported,
                        "mount option \"" + option + "\" of \"" + mount.destination + "\" is not supported");
        out.data.push_back(option);
    }
    out.bind = out.bind || mount.type == "bind" || mount.type == "rbind";
    if (mount.type == "rbind") out.bind_depth = Depth::tree;
    if (out.bind && !out.data.empty())
        return fail(Code::invalid,
                    "mount option \"" + out.data[0] + "\" of \"" + mount.destination + "\" is not one of a bind mount");
    return out;
}

}  // namespace gantry::native
