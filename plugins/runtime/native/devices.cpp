#include "devices.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "kernel.hpp"
#include "mount_api.hpp"

namespace gantry::native {
namespace {

mode_t type_bits(char type) { return type == 'c' ? S_IFCHR : type == 'b' ? S_IFBLK : S_IFIFO; }

bool is_device(const struct stat& about, const DeviceSpec& device) {
    if ((about.st_mode & S_IFMT) != type_bits(device.type)) return false;
    return device.type == 'p' || about.st_rdev == makedev(device.major, device.minor);
}

Result<void> make_node(int directory, const std::string& name, const DeviceSpec& device, NodeMethod method) {
    if (method == NodeMethod::mknod || device.type == 'p') {
        if (::mknodat(directory, name.c_str(), type_bits(device.type) | device.mode,
                      makedev(device.major, device.minor)) != 0)
            return fail_errno("make device \"" + device.path + "\"");
        if ((device.uid || device.gid) &&
            ::fchownat(directory, name.c_str(), device.uid, device.gid, AT_SYMLINK_NOFOLLOW) != 0)
            return fail_errno("give device \"" + device.path + "\" its owner");
        return {};
    }
    GANTRY_TRY(const UniqueFd host, open_at(AT_FDCWD, device.path, O_PATH | O_NOFOLLOW));
    struct stat about {};
    if (::fstat(host.get(), &about) != 0 || !is_device(about, device))
        return fail(Code::denied, "the host's \"" + device.path + "\" is another device");
    GANTRY_TRY(const UniqueFd tree, copy_tree(host.get(), Depth::one));
    const UniqueFd file(::openat(directory, name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return fail_errno("make a place for device \"" + device.path + "\"");
    return attach_tree(tree.get(), file.get(), device.path);
}

}  // namespace

Result<void> fill_dev(int dev, NodeMethod method) {
    const DeviceSpec nodes[] = {{'c', "/dev/null", 1, 3, 0666, 0, 0},    {'c', "/dev/zero", 1, 5, 0666, 0, 0},
                                {'c', "/dev/full", 1, 7, 0666, 0, 0},    {'c', "/dev/random", 1, 8, 0666, 0, 0},
                                {'c', "/dev/urandom", 1, 9, 0666, 0, 0}, {'c', "/dev/tty", 5, 0, 0666, 0, 0}};
    for (const DeviceSpec& node : nodes) GANTRY_CHECK(make_node(dev, node.path.substr(5), node, method));
    constexpr std::pair<const char*, const char*> links[] = {{"fd", "/proc/self/fd"},
                                                             {"stdin", "/proc/self/fd/0"},
                                                             {"stdout", "/proc/self/fd/1"},
                                                             {"stderr", "/proc/self/fd/2"},
                                                             {"ptmx", "pts/ptmx"}};
    for (const auto& [name, target] : links)
        if (::symlinkat(target, dev, name) != 0) return fail_errno(std::string("make link \"/dev/") + name + "\"");
    return {};
}

Result<void> add_devices(int root, const std::vector<DeviceSpec>& devices, NodeMethod method) {
    for (const DeviceSpec& device : devices) {
        const std::string clean = clean_relative(device.path);
        const auto slash = clean.rfind('/');
        const std::string name = slash == std::string::npos ? clean : clean.substr(slash + 1);
        GANTRY_TRY(const UniqueFd directory,
                   make_directories_in_root(
                       root, "/" + (slash == std::string::npos ? std::string() : clean.substr(0, slash))));
        struct stat about {};
        if (::fstatat(directory.get(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0) {
            if (!is_device(about, device))
                return fail(Code::conflict, "\"" + device.path + "\" is there already and is not the device asked for");
            continue;
        }
        GANTRY_CHECK(make_node(directory.get(), name, device, method));
    }
    return {};
}

}  // namespace gantry::native
