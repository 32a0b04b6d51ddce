#include "masks.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kernel.hpp"
#include "mount_api.hpp"

namespace gantry::native {
namespace {

bool absent(const Error& error) { return error.system_errno == ENOENT || error.system_errno == ENOTDIR; }

}  // namespace

Result<void> mask_paths(int root, const std::vector<std::string>& paths, int null) {
    UniqueFd empty;
    for (const std::string& path : paths) {
        auto place = open_in_root(root, path, O_PATH);
        if (!place && absent(place.error())) continue;
        if (!place) return std::move(place).error();
        struct stat about {};
        if (::fstat(place->get(), &about) != 0) return fail_errno("stat \"" + path + "\"");
        if (!S_ISDIR(about.st_mode)) {
            GANTRY_TRY(const UniqueFd cover, copy_tree(null, Depth::one));
            GANTRY_CHECK(attach_tree(cover.get(), place->get(), path));
            continue;
        }
        // Each tmpfs costs a superblock, so all directories share one; a copy can be taken once it is attached.
        if (empty) {
            GANTRY_TRY(const UniqueFd cover, copy_tree(empty.get(), Depth::one));
            GANTRY_CHECK(attach_tree(cover.get(), place->get(), path));
            continue;
        }
        GANTRY_TRY(empty, new_filesystem("tmpfs", "tmpfs", {"mode=755", "size=0", "nr_inodes=1"},
                                         MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
        GANTRY_CHECK(attach_tree(empty.get(), place->get(), path));
    }
    return {};
}

Result<void> make_paths_read_only(int root, const std::vector<std::string>& paths) {
    for (const std::string& path : paths) {
        auto place = open_in_root(root, path, O_PATH);
        if (!place && absent(place.error())) continue;
        if (!place) return std::move(place).error();
        GANTRY_TRY(const UniqueFd cover, copy_tree(place->get(), Depth::tree));
        GANTRY_CHECK(set_attributes(cover.get(), MOUNT_ATTR_RDONLY, 0, 0, Depth::tree));
        GANTRY_CHECK(attach_tree(cover.get(), place->get(), path));
    }
    return {};
}

}  // namespace gantry::native
