#include "plugins/storage/common/copy_tree.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "plugins/storage/common/attributes.hpp"
#include "plugins/storage/common/tar_name.hpp"
#include "plugins/storage/common/tree.hpp"

namespace gantry::storage {
namespace {

// Two descriptors a level: as deep as an archive may be, and what a container has added to that.
constexpr std::size_t max_depth = 2 * max_entry_depth;

// Where a file system cannot hand blocks over itself.
Result<void> copy_by_hand(int from, int to, off_t at, off_t end) {
    std::vector<char> buffer(256u << 10);
    while (at < end) {
        const std::size_t wanted = std::min(buffer.size(), static_cast<std::size_t>(end - at));
        const ssize_t n = ::pread(from, buffer.data(), wanted, at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("read");
        if (n == 0) return {};
        for (ssize_t done = 0; done < n;) {
            const ssize_t written = ::pwrite(to, buffer.data() + done, static_cast<std::size_t>(n - done), at + done);
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) return fail_errno("write");
            done += written;
        }
        at += n;
    }
    return {};
}

Result<void> copy_range(int from, int to, off_t at, off_t end) {
    while (at < end) {
        off_t in = at, out = at;
        const ssize_t n = ::copy_file_range(from, &in, to, &out, static_cast<std::size_t>(end - at), 0);
        if (n > 0) {
            at += n;
        } else if (n == 0) {
            return {};
        } else if (errno != EINTR) {
            if (errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)
                return copy_by_hand(from, to, at, end);
            return fail_errno("copy");
        }
    }
    return {};
}

Result<void> copy_content(int from, int to, off_t size) {
    if (::ioctl(to, FICLONE, from) == 0) return {};
    for (off_t at = 0; at < size;) {
        const off_t data = ::lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) break;  // a hole up to the end
        const off_t begin = data < 0 ? at : data, hole = data < 0 ? -1 : ::lseek(from, begin, SEEK_HOLE);
        const off_t end = hole < 0 ? size : std::min(hole, size);
        GANTRY_CHECK(copy_range(from, to, begin, end));
        at = end;
    }
    if (::ftruncate(to, size) != 0) return fail_errno("set the size");
    return {};
}

Result<void> copy_xattrs(int from, int to) {
    char names[16384], value[65536];
    const ssize_t length = ::flistxattr(from, names, sizeof names);
    if (length < 0) return errno == EOPNOTSUPP ? Result<void>() : fail_errno("list the attributes");
    for (const char* name = names; name < names + length; name += std::string_view(name).size() + 1) {
        if (std::string_view(name).starts_with("trusted.overlay.")) continue;
        const ssize_t size = ::fgetxattr(from, name, value, sizeof value);
        if (size >= 0 && ::fsetxattr(to, name, value, static_cast<std::size_t>(size), 0) != 0 && errno != EOPNOTSUPP)
            return fail_errno("set the attribute \"" + shown(name) + "\"");
    }
    return {};
}

class Copier {
public:
    Copier(int top, const std::function<bool()>& cancelled) : top_(top), cancelled_(cancelled) {}

    Result<void> directory(int from, int to, const std::string& path, std::size_t depth) {
        if (depth > max_depth) return fail(Code::exhausted, "\"" + shown(path) + "\" lies too deep to be copied");
        struct stat info {};
        if (::fstat(from, &info) != 0) return fail_errno("look up \"" + shown(path) + "\"");
        if (depth == 0) device_ = info.st_dev;
        GANTRY_TRY(auto names, names_in(from));
        for (const std::string& name : names) {
            if (cancelled_ && cancelled_()) return fail(Code::cancelled, "the call was given up");
            const std::string below = path.empty() ? name : path + "/" + name;
            GANTRY_CHECK(one(from, to, name, below, depth).context("copy \"" + shown(below) + "\""));
        }
        return finish(from, to, info);
    }

private:
    static Attributes attributes_of(const struct stat& info) {
        return {info.st_uid, info.st_gid, info.st_mode & 07777u, info.st_mtim, {}};
    }

    static Result<void> finish(int from, int to, const struct stat& info) {
        GANTRY_CHECK(set_attributes(to, attributes_of(info)));
        GANTRY_CHECK(copy_xattrs(from, to));
        const timespec times[2] = {info.st_atim, info.st_mtim};
        if (::futimens(to, times) != 0) return fail_errno("set the time");
        return {};
    }

    Result<void> one(int from, int to, const std::string& name, const std::string& path, std::size_t depth) {
        struct stat info {};
        if (::fstatat(from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno("look it up");
        if (info.st_dev != device_) return fail(Code::busy, "it is a mount point");
        if (S_ISSOCK(info.st_mode)) return {};
        if (S_ISDIR(info.st_mode)) {
            if (::mkdirat(to, name.c_str(), 0700) != 0) return fail_errno("make the directory");
            GANTRY_TRY(UniqueFd in, open_at(from, name, O_RDONLY | O_DIRECTORY));
            GANTRY_TRY(UniqueFd out, open_at(to, name, O_RDONLY | O_DIRECTORY));
            return directory(in.get(), out.get(), path, depth + 1);
        }
        if (info.st_nlink > 1) {
            auto [first, fresh] = linked_.try_emplace(info.st_ino, path);
            if (!fresh) return link(first->second, to, name);
        }
        if (S_ISREG(info.st_mode)) {
            GANTRY_TRY(UniqueFd in, open_at(from, name, O_RDONLY | O_NONBLOCK | O_NOATIME));
            GANTRY_TRY(UniqueFd out, open_at(to, name, O_WRONLY | O_CREAT | O_EXCL, info.st_mode & 0777u));
            GANTRY_CHECK(copy_content(in.get(), out.get(), info.st_size));
            return finish(in.get(), out.get(), info);
        }
        if (S_ISLNK(info.st_mode)) {
            char target[4096];
            const ssize_t length = ::readlinkat(from, name.c_str(), target, sizeof target - 1);
            if (length < 0) return fail_errno("read the link");
            target[length] = '\0';
            if (::symlinkat(target, to, name.c_str()) != 0) return fail_errno("make the link");
            return set_attributes_at(to, name, attributes_of(info), Entry::link);
        }
        if (::mknodat(to, name.c_str(), (info.st_mode & S_IFMT) | 0600u, info.st_rdev) != 0)
            return fail_errno("make the node");
        return set_attributes_at(to, name, attributes_of(info), Entry::node);
    }

    Result<void> link(const std::string& first, int to, const std::string& name) {
        const std::size_t slash = first.rfind('/');
        const std::string parent = slash == std::string::npos ? "" : first.substr(0, slash);
        const std::string base = slash == std::string::npos ? first : first.substr(slash + 1);
        GANTRY_TRY(UniqueFd directory, open_below(top_, parent, O_PATH | O_DIRECTORY, Links::refuse));
        if (::linkat(directory.get(), base.c_str(), to, name.c_str(), 0) != 0) return fail_errno("make the hard link");
        return {};
    }

    int top_;
    const std::function<bool()>& cancelled_;
    dev_t device_ = 0;
    std::unordered_map<ino_t, std::string> linked_;  // files with several names: the first one that was copied
};

}  // namespace

Result<void> copy_tree(int from, int to, const std::function<bool()>& cancelled) {
    return Copier(to, cancelled).directory(from, to, "", 0);
}

}  // namespace gantry::storage
