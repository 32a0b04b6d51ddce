#include "plugins/storage/common/overlay_marks.hpp"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "plugins/storage/common/tar_name.hpp"

namespace gantry::storage {

bool is_whiteout(const struct stat& info) { return S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0); }

Result<void> make_whiteout(int directory, const std::string& name) {
    if (::mknodat(directory, name.c_str(), S_IFCHR, makedev(0, 0)) != 0)
        return fail_errno("make a whiteout for \"" + shown(name) + "\"");
    return {};
}

Result<void> make_opaque(int fd) {
    if (::fsetxattr(fd, opaque_xattr, "y", 1, 0) != 0) return fail_errno("mark a directory opaque");
    return {};
}

bool is_opaque(int fd) {
    char value = 0;
    return ::fgetxattr(fd, opaque_xattr, &value, 1) == 1 && value == 'y';
}

bool is_portable_xattr(std::string_view name) {
    if (name == "security.capability") return true;
    return name.starts_with("user.") && !name.starts_with("user.overlay.");
}

}  // namespace gantry::storage
