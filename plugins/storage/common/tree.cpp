#include "plugins/storage/common/tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <algorithm>
#include <memory>
#include <set>

#include "plugins/storage/common/tar_name.hpp"

namespace gantry::storage {
namespace {

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

// Hostile trees may be deeper than the stack or the descriptor table allows.
constexpr std::size_t max_open_levels = 256;

bool stands_at(int file, int directory, const std::string& name) {
    struct stat own {
    }, there{};
    return ::fstat(file, &own) == 0 && ::fstatat(directory, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           own.st_dev == there.st_dev && own.st_ino == there.st_ino;
}

struct Level {
    Directory directory;
    std::string name;
};

Result<Directory> open_level(int parent, const char* name, dev_t& device) {
    int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return fail_errno("open \"" + shown(name) + "\"");
    struct stat info {};
    if (::fstat(fd, &info) != 0 || (device != 0 && info.st_dev != device)) {
        ::close(fd);
        return fail(Code::busy, "\"" + shown(name) + "\" is a mount point");
    }
    device = info.st_dev;
    return Directory(::fdopendir(fd), ::closedir);
}

// Too deep to hold every level open: the sub-directory moves up beside the top of the tree and waits its turn there.
Result<void> hoist(int parent, const std::string& name, int top, std::int64_t& serial) {
    for (int attempt = 0; attempt < 1000; ++attempt) {
        std::string moved = ".hoisted-" + std::to_string(serial++);
        if (::renameat2(parent, name.c_str(), top, moved.c_str(), RENAME_NOREPLACE) == 0) return {};
        if (errno != EEXIST) break;
    }
    return fail_errno("move \"" + shown(name) + "\" up to delete it");
}

}  // namespace

Result<UniqueFd> open_below(int root, std::string_view path, int flags, Links links) {
    std::string text(path.empty() ? "." : path);
    open_how how{};
    how.flags = static_cast<__u64>(static_cast<unsigned>(flags)) | O_CLOEXEC;
    how.mode = (flags & O_CREAT) ? 0600 : 0;
    how.resolve = RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
    how.resolve |= links == Links::inside ? RESOLVE_IN_ROOT : RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    for (int attempt = 0; attempt < 64; ++attempt) {
        long fd = ::syscall(SYS_openat2, root, text.c_str(), &how, sizeof how);
        if (fd >= 0) return UniqueFd(static_cast<int>(fd));
        if (errno != EAGAIN && errno != EINTR) break;
    }
    return fail_errno("open \"" + shown(text) + "\"");
}

Result<UniqueFd> open_at(int directory, const std::string& name, int flags, mode_t mode) {
    int fd = ::openat(directory, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) return fail_errno("open \"" + shown(name) + "\"");
    return UniqueFd(fd);
}

Result<std::vector<std::string>> names_in(int fd) {
    int copy = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) return fail_errno("open a directory to list it");
    Directory directory(::fdopendir(copy), ::closedir);
    std::vector<std::string> names;
    errno = 0;
    while (dirent* entry = ::readdir(directory.get())) {
        std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return fail_errno("list a directory");
    std::sort(names.begin(), names.end());
    return names;
}

Result<std::string> read_small(int directory, const std::string& name) {
    GANTRY_TRY(UniqueFd fd, open_at(directory, name, O_RDONLY | O_NONBLOCK));
    std::string content(65537, '\0');
    std::size_t filled = 0;
    while (filled < content.size()) {
        ssize_t n = ::read(fd.get(), content.data() + filled, content.size() - filled);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("read \"" + name + "\"");
        if (n == 0) break;
        filled += static_cast<std::size_t>(n);
    }
    if (filled == content.size()) return fail(Code::corrupt, "\"" + name + "\" is larger than 65536 bytes");
    content.resize(filled);
    return content;
}

Result<void> write_small(int directory, const std::string& name, std::string_view content, Durable durable) {
    int fd = ::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return fail_errno("create \"" + name + "\"");
    UniqueFd file(fd);
    for (std::string_view rest = content; !rest.empty();) {
        ssize_t n = ::write(fd, rest.data(), rest.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("write \"" + name + "\"");
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
    if (durable == Durable::yes && ::fsync(fd) != 0) return fail_errno("fsync \"" + name + "\"");
    return {};
}

Result<Removed> remove_entry(int directory, const std::string& name, std::int64_t budget) {
    Removed removed;
    auto unlink_counted = [&](int parent, const char* child) -> int {
        struct stat info {};
        bool counted =
            ::fstatat(parent, child, &info, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(info.st_mode) && info.st_nlink == 1;
        if (::unlinkat(parent, child, 0) != 0) return errno;
        if (counted) removed.bytes += static_cast<std::int64_t>(info.st_blocks) * 512;
        --budget;
        return 0;
    };
    int error = unlink_counted(directory, name.c_str());
    if (error == 0 || error == ENOENT) return removed;
    if (error != EISDIR && error != EPERM) return fail_errno("remove \"" + shown(name) + "\"", error);

    dev_t device = 0;
    struct stat parent_info {};
    if (::fstat(directory, &parent_info) == 0) device = parent_info.st_dev;
    std::vector<Level> levels;
    GANTRY_TRY(Directory top, open_level(directory, name.c_str(), device));
    levels.push_back({std::move(top), name});
    std::int64_t serial = 0;
    while (!levels.empty()) {
        if (budget <= 0) {
            removed.complete = false;
            return removed;
        }
        int fd = ::dirfd(levels.back().directory.get());
        errno = 0;
        dirent* entry = ::readdir(levels.back().directory.get());
        // ENOENT: somebody else has removed it.
        if (entry == nullptr && errno != 0 && errno != ENOENT)
            return fail_errno("read directory \"" + shown(levels.back().name) + "\"");
        if (entry != nullptr) {
            std::string child = entry->d_name;
            if (child == "." || child == "..") continue;
            if (entry->d_type != DT_DIR) {
                error = unlink_counted(fd, child.c_str());
                if (error == 0 || error == ENOENT) continue;
                if (error != EISDIR && error != EPERM) return fail_errno("remove \"" + shown(child) + "\"", error);
            }
            if (levels.size() >= max_open_levels) {
                GANTRY_CHECK(hoist(fd, child, ::dirfd(levels.front().directory.get()), serial));
                continue;
            }
            GANTRY_TRY(Directory next, open_level(fd, child.c_str(), device));
            levels.push_back({std::move(next), std::move(child)});
            continue;
        }
        Level done = std::move(levels.back());
        levels.pop_back();
        int parent = levels.empty() ? directory : ::dirfd(levels.back().directory.get());
        --budget;
        if (::unlinkat(parent, done.name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
            removed.bytes += 4096;
            continue;
        }
        if (errno != ENOTEMPTY) return fail_errno("remove directory \"" + shown(done.name) + "\"");
        // Something was moved up here after this directory had been read; or another one has its name now.
        if (!stands_at(::dirfd(done.directory.get()), parent, done.name))
            return fail(Code::conflict, "directory \"" + shown(done.name) + "\" was replaced while it was removed");
        ::rewinddir(done.directory.get());
        levels.push_back(std::move(done));
    }
    return removed;
}

Result<TreeUsage> tree_usage(int root) {
    TreeUsage usage;
    std::set<std::pair<dev_t, ino_t>> counted;
    dev_t device = 0;
    std::vector<Directory> levels;
    GANTRY_TRY(Directory top, open_level(root, ".", device));
    levels.push_back(std::move(top));
    usage.inodes = 1;
    while (!levels.empty()) {
        int fd = ::dirfd(levels.back().get());
        dirent* entry = ::readdir(levels.back().get());
        if (entry == nullptr) {
            levels.pop_back();
            continue;
        }
        std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        struct stat info {};
        if (::fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (S_ISDIR(info.st_mode)) {
            ++usage.inodes;
            if (levels.size() >= 4000) return fail(Code::exhausted, "the tree is deeper than 4000 directories");
            GANTRY_TRY(Directory next, open_level(fd, entry->d_name, device));
            levels.push_back(std::move(next));
            continue;
        }
        if (info.st_nlink > 1 && !counted.insert({info.st_dev, info.st_ino}).second) continue;
        ++usage.inodes;
        if (S_ISREG(info.st_mode) || S_ISLNK(info.st_mode)) usage.bytes += info.st_size;
    }
    return usage;
}

}  // namespace gantry::storage
