#include "core/base/fd_path.hpp"
#include "core/archive/node.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <set>

#include "core/base/text.hpp"

namespace gantry::archive {
namespace {

constexpr int deepest = 1024;

Result<void> remove_below(int directory, const std::string& name, int depth) {
    if (depth > deepest) return fail(Code::exhausted, "a directory tree deeper than " + std::to_string(deepest));
    if (::unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR && errno != EPERM) return fail_errno("remove " + quote_json(name));
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_NO_XDEV | RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
    UniqueFd inner(static_cast<int>(::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how)));
    if (!inner) return fail_errno("remove " + quote_json(name));
    GANTRY_TRY(auto names, names_in(inner.get()));
    for (const std::string& below : names) GANTRY_CHECK(remove_below(inner.get(), below, depth + 1));
    if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
        return fail_errno("remove " + quote_json(name));
    return {};
}

using Seen = std::set<std::pair<dev_t, ino_t>>;

Result<std::int64_t> size_below(int directory, dev_t device, Seen& seen, int depth) {
    if (depth > deepest) return fail(Code::exhausted, "a directory tree deeper than " + std::to_string(deepest));
    std::int64_t bytes = 0;
    GANTRY_TRY(auto names, names_in(directory));
    for (const std::string& name : names) {
        struct stat info {};
        if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) continue;
            return fail_errno("look up " + quote_json(name));
        }
        if (info.st_dev != device) continue;
        if (!S_ISDIR(info.st_mode) && info.st_nlink > 1 && !seen.emplace(info.st_dev, info.st_ino).second) continue;
        if (!S_ISDIR(info.st_mode)) {
            bytes += info.st_size;
            continue;
        }
        UniqueFd inner(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!inner && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) continue;  // changed meanwhile
        if (!inner) return fail_errno("open " + quote_json(name));
        GANTRY_TRY(std::int64_t below, size_below(inner.get(), device, seen, depth + 1));
        bytes += below;
    }
    return bytes;
}

}  // namespace

Result<std::int64_t> tree_size(int directory) {
    struct stat info {};
    if (::fstat(directory, &info) != 0) return fail_errno("look up a directory");
    Seen seen;
    return size_below(directory, info.st_dev, seen, 0);
}

Result<UniqueFd> open_node(int directory, const std::string& name) {
    UniqueFd node(::openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!node) return fail_errno("open " + quote_json(name));
    return node;
}

Result<UniqueFd> reopen(int node, int flags) {
    UniqueFd file(::open(fd_path(node).c_str(), flags | O_CLOEXEC));
    if (!file) return fail_errno("open a file");
    return file;
}

Result<std::string> link_target(int node) {
    std::string target(4097, '\0');
    const ssize_t n = ::readlinkat(node, "", target.data(), target.size() - 1);
    if (n < 0) return fail_errno("read a symbolic link");
    target.resize(static_cast<std::size_t>(n));
    return target;
}

Result<std::vector<std::string>> names_in(int directory) {
    std::unique_ptr<DIR, int (*)(DIR*)> list(::fdopendir(::fcntl(directory, F_DUPFD_CLOEXEC, 3)), ::closedir);
    if (!list) return fail_errno("list a directory");
    ::rewinddir(list.get());
    std::vector<std::string> names;
    errno = 0;
    while (dirent* entry = ::readdir(list.get()))
        if (std::string_view name = entry->d_name; name != "." && name != "..") names.emplace_back(name);
    if (errno != 0) return fail_errno("list a directory");
    std::sort(names.begin(), names.end());
    return names;
}

bool portable_xattr(std::string_view name) {
    return (name.starts_with("user.") && !name.starts_with("user.overlay.")) || name == "security.capability";
}

Result<std::map<std::string, std::string>> portable_xattrs(int file) {
    std::map<std::string, std::string> found;
    // Most files have none.
    const ssize_t needed = ::flistxattr(file, nullptr, 0);
    if (needed == 0 || (needed < 0 && errno == EOPNOTSUPP)) return found;
    std::vector<char> list(64u << 10), value(64u << 10);
    const ssize_t length = needed < 0 ? needed : ::flistxattr(file, list.data(), list.size());
    if (length < 0) return fail_errno("list extended attributes");
    for (const char* name = list.data(); name < list.data() + length; name += std::string_view(name).size() + 1) {
        if (!portable_xattr(name)) continue;
        const ssize_t size = ::fgetxattr(file, name, value.data(), value.size());
        if (size >= 0) found[name] = std::string(value.data(), static_cast<std::size_t>(size));
    }
    return found;
}

Result<void> remove_node(int directory, const std::string& name) { return remove_below(directory, name, 0); }

}  // namespace gantry::archive
