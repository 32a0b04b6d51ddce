#include "core/base/file_copy.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace gantry {

Result<void> copy_attributes(int from, int to, const std::string& name) {
    std::vector<char> names(65536);
    ssize_t size = ::flistxattr(from, names.data(), names.size());
    if (size < 0) return errno == EOPNOTSUPP ? Result<void>() : fail_errno("list attributes of \"" + name + "\"");
    std::vector<char> value(65536);
    for (const char* key = names.data(); key < names.data() + size; key += std::char_traits<char>::length(key) + 1) {
        std::string_view text = key;
        // What overlayfs keeps for itself is not content.
        if (text.starts_with("trusted.overlay.") || text.starts_with("user.overlay.")) continue;
        ssize_t n = ::fgetxattr(from, key, value.data(), value.size());
        if (n >= 0 && ::fsetxattr(to, key, value.data(), static_cast<std::size_t>(n), 0) != 0 && errno != EOPNOTSUPP)
            return fail_errno("set attribute " + std::string(key) + " of \"" + name + "\"");
    }
    return {};
}

Result<void> copy_content(int from, int to, off_t size, const std::string& name) {
    if (::ioctl(to, FICLONE, from) == 0) return {};
    // Data by data, so that holes stay holes.
    if (::ftruncate(to, size) != 0) return fail_errno("size \"" + name + "\"");
    off_t at = 0;
    while (at < size) {
        off_t data = ::lseek(from, at, SEEK_DATA);
        if (data < 0) break;  // ENXIO: a hole to the end
        off_t end = ::lseek(from, data, SEEK_HOLE);
        if (end < 0) end = size;
        off_t in = data, out = data;
        while (in < end) {
            ssize_t n = ::copy_file_range(from, &in, to, &out, static_cast<std::size_t>(end - in), 0);
            if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP)) {
                char block[65536];
                ssize_t got = ::pread(from, block, std::min(sizeof block, static_cast<std::size_t>(end - in)), in);
                if (got > 0 && ::pwrite(to, block, static_cast<std::size_t>(got), out) != got)
                    return fail_errno("write \"" + name + "\"");
                n = got;
                in += got > 0 ? got : 0;
                out = in;
            }
            if (n < 0) return fail_errno("copy \"" + name + "\"");
            if (n == 0) break;
        }
        at = end;
    }
    return {};
}

}  // namespace gantry
