#include "core/base/files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

namespace gantry {
namespace {

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

// Deletes everything below `parent`/`name`, then itself. `device` is the file system the tree began on.
Result<void> remove_below(int parent, const char* name, dev_t device) {
    if (::unlinkat(parent, name, 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR && errno != EPERM) return fail_errno(std::string("remove \"") + name + "\"");
    int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? Result<void>() : fail_errno(std::string("open \"") + name + "\" to remove it");
    Directory directory(::fdopendir(fd), ::closedir);
    struct stat info {};
    if (::fstat(fd, &info) == 0 && info.st_dev != device)
        return fail(Code::busy, std::string("remove \"") + name + "\": it is a mount point");
    while (dirent* entry = ::readdir(directory.get())) {
        std::string_view child = entry->d_name;
        if (child == "." || child == "..") continue;
        GANTRY_CHECK(remove_below(fd, entry->d_name, device));
    }
    if (::unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        return fail_errno(std::string("remove directory \"") + name + "\"");
    return {};
}

}  // namespace

Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode) {
    int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd < 0) return fail_errno("open \"" + path + "\"");
    return UniqueFd(fd);
}

Result<std::string> read_all(int fd, std::size_t limit) {
    std::string data;
    char block[16384];
    for (;;) {
        ssize_t n = ::read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("read");
        if (n == 0) return data;
        data.append(block, static_cast<std::size_t>(n));
        if (data.size() > limit) return fail(Code::exhausted, "more than " + std::to_string(limit) + " bytes");
    }
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
    GANTRY_TRY(UniqueFd fd, open_file(path, O_RDONLY));
    return read_all(fd.get(), limit).context("read \"" + path + "\"");
}

Result<void> write_all(int fd, std::string_view data) {
    while (!data.empty()) {
        ssize_t n = ::write(fd, data.data(), data.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("write");
        data.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

Result<void> write_file_atomic(const std::string& path, std::string_view data, mode_t mode, Sync sync) {
    std::string temporary = path + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(::gettid());
    GANTRY_TRY(UniqueFd fd, open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
    ScopeGuard undo([&] { ::unlink(temporary.c_str()); });
    GANTRY_CHECK(write_all(fd.get(), data).context("write \"" + temporary + "\""));
    if (sync == Sync::yes && ::fsync(fd.get()) != 0) return fail_errno("fsync \"" + temporary + "\"");
    if (::rename(temporary.c_str(), path.c_str()) != 0) return fail_errno("rename to \"" + path + "\"");
    undo.dismiss();
    if (sync == Sync::yes) {
        std::size_t slash = path.rfind('/');
        std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
        GANTRY_TRY(UniqueFd directory, open_file(parent, O_RDONLY | O_DIRECTORY));
        if (::fsync(directory.get()) != 0) return fail_errno("fsync \"" + parent + "\"");
    }
    return {};
}

Result<void> write_file(const std::string& path, std::string_view data, mode_t mode) {
    GANTRY_TRY(UniqueFd fd, open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
    return write_all(fd.get(), data).context("write \"" + path + "\"");
}

Result<void> make_directories(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0) return {};
    if (errno == ENOENT) {
        std::size_t slash = path.find_last_of('/', path.find_last_not_of('/'));
        if (slash == std::string::npos || slash == 0) return fail_errno("make directory \"" + path + "\"");
        GANTRY_CHECK(make_directories(path.substr(0, slash), mode));
        if (::mkdir(path.c_str(), mode) == 0) return {};
    }
    struct stat info {};
    if (errno == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
    return fail_errno("make directory \"" + path + "\"", errno == EEXIST ? ENOTDIR : errno);
}

Result<void> remove_tree(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0)
        return errno == ENOENT ? Result<void>() : fail_errno("stat \"" + path + "\"");
    return remove_below(AT_FDCWD, path.c_str(), info.st_dev);
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
    Directory directory(::opendir(path.c_str()), ::closedir);
    if (!directory) return fail_errno("list \"" + path + "\"");
    std::vector<std::string> names;
    while (dirent* entry = ::readdir(directory.get())) {
        std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

bool path_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace gantry
