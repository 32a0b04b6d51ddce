#include "core/base/fd_path.hpp"
#include "core/container/copy_up.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <vector>

#include "core/base/file_copy.hpp"
#include "core/base/files.hpp"
#include "core/base/safe_path.hpp"

namespace gantry::container {
namespace {

constexpr int deepest = 1024;
using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

struct Copy {
    std::map<std::pair<dev_t, ino_t>, UniqueFd> linked;  // files with several names: the first copy of each
};

Result<void> copy_directory(Copy& copy, int from, int to, int depth);

Result<void> copy_entry(Copy& copy, int from, int to, const char* name, int depth) {
    struct stat info {};
    if (::fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(std::string("stat \"") + name + "\"");
    auto own_times = [&] {
        const timespec times[2] = {info.st_atim, info.st_mtim};
        ::utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
    };
    std::pair key{info.st_dev, info.st_ino};
    if (!S_ISDIR(info.st_mode) && info.st_nlink > 1)
        if (auto first = copy.linked.find(key); first != copy.linked.end()) {
            if (::linkat(AT_FDCWD, fd_path(first->second.get()).c_str(), to, name, AT_SYMLINK_FOLLOW) != 0)
                return fail_errno(std::string("link \"") + name + "\"");
            return {};
        }
    if (S_ISDIR(info.st_mode)) {
        if (::mkdirat(to, name, 0700) != 0) return fail_errno(std::string("make directory \"") + name + "\"");
        UniqueFd inner_from(::openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        UniqueFd inner_to(::openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!inner_from || !inner_to) return fail_errno(std::string("open \"") + name + "\"");
        GANTRY_CHECK(copy_directory(copy, inner_from.get(), inner_to.get(), depth + 1));
        own_times();
        return {};
    }
    if (S_ISLNK(info.st_mode)) {
        std::string target(4097, '\0');
        ssize_t n = ::readlinkat(from, name, target.data(), target.size() - 1);
        if (n < 0) return fail_errno(std::string("read link \"") + name + "\"");
        target.resize(static_cast<std::size_t>(n));
        if (::symlinkat(target.c_str(), to, name) != 0) return fail_errno(std::string("make link \"") + name + "\"");
    } else if (S_ISREG(info.st_mode)) {
        UniqueFd in(::openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        UniqueFd out(::openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!in || !out) return fail_errno(std::string("copy \"") + name + "\"");
        GANTRY_CHECK(copy_content(in.get(), out.get(), info.st_size, name));
        if (::fchown(out.get(), info.st_uid, info.st_gid) != 0 || ::fchmod(out.get(), info.st_mode & 07777) != 0)
            return fail_errno(std::string("own \"") + name + "\"");
        GANTRY_CHECK(copy_attributes(in.get(), out.get(), name));
    } else if (!S_ISSOCK(info.st_mode)) {
        if (::mknodat(to, name, info.st_mode, info.st_rdev) != 0)
            return fail_errno(std::string("make node \"") + name + "\"");
    } else {
        return {};  // a socket without its server is nothing
    }
    if (::fchownat(to, name, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno(std::string("own \"") + name + "\"");
    if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode) || S_ISFIFO(info.st_mode))
        if (::fchmodat(to, name, info.st_mode & 07777, 0) != 0)
            return fail_errno(std::string("set the mode of \"") + name + "\"");
    own_times();
    if (info.st_nlink > 1) {
        UniqueFd made(::openat(to, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (made && copy.linked.size() < 4096) copy.linked.emplace(key, std::move(made));
    }
    return {};
}

// The directory `from` into the directory `to`, which takes its owner, mode and attributes.
Result<void> copy_directory(Copy& copy, int from, int to, int depth) {
    if (depth > deepest) return fail(Code::invalid, "a directory tree deeper than " + std::to_string(deepest));
    struct stat info {};
    if (::fstat(from, &info) != 0) return fail_errno("stat a directory");
    Directory list(::fdopendir(::fcntl(from, F_DUPFD_CLOEXEC, 3)), ::closedir);
    if (!list) return fail_errno("list a directory");
    while (dirent* entry = ::readdir(list.get())) {
        std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        GANTRY_CHECK(copy_entry(copy, from, to, entry->d_name, depth));
    }
    if (::fchown(to, info.st_uid, info.st_gid) != 0 || ::fchmod(to, info.st_mode & 07777) != 0)
        return fail_errno("own a directory");
    return copy_attributes(from, to, "a directory");
}

}  // namespace

Result<void> copy_up(int root, const std::string& path, int volume) {
    auto from = open_in_root(root, path, O_RDONLY | O_DIRECTORY);
    if (!from) return {};
    UniqueFd to(::openat(volume, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!to) return fail_errno("open the volume");
    {
        Directory list(::fdopendir(::fcntl(to.get(), F_DUPFD_CLOEXEC, 3)), ::closedir);
        if (!list) return fail_errno("list the volume");
        while (dirent* entry = ::readdir(list.get()))
            if (std::string_view name = entry->d_name; name != "." && name != "..") return {};
    }
    Copy copy;
    return copy_directory(copy, from->get(), to.get(), 0);
}

}  // namespace gantry::container
