#include "core/base/fd_path.hpp"
#include "core/archive/tree_unpack.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <vector>

#include "core/archive/node.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"

namespace gantry::archive {
namespace {

constexpr std::size_t longest_name = 4095, longest_part = 255, deepest_member = 1024;  // what pack() can take

// The member's place below the base. GANTRY_INVALID for one that is none.
Result<std::string> place_of(const std::string& name, const char* what) {
    auto bad = [&](const char* why) {
        return fail(Code::invalid,
                    std::string("the archive has ") + what + " " + quote_json(name.substr(0, 200)) + ", " + why);
    };
    if (name.empty()) return bad("which is empty");
    if (name.size() > longest_name) return bad("which is longer than any path");
    std::size_t depth = 0;
    for (std::string_view part : split(name, '/')) {
        if (part == "..") return bad("which leads out of its directory");
        if (!part.empty() && ++depth > deepest_member)
            return bad(("which lies deeper than " + std::to_string(deepest_member) + " directories").c_str());
        if (part.size() > longest_part) return bad("which has a part longer than any name");
    }
    return clean_relative(name);
}

class Unpacker {
public:
    Unpacker(TarReader& reader, int root, std::string base, const UnpackOptions& options)
        : reader_(reader), root_(root), base_(std::move(base)), options_(options) {}

    Result<void> run() {
        for (std::int64_t members = 0;; ++members) {
            GANTRY_TRY(auto member, reader_.next());
            if (!member) break;
            if (members >= options_.most_members)
                return fail(Code::exhausted,
                            "the archive has more than " + std::to_string(options_.most_members) + " members");
            GANTRY_CHECK(one(*member));
        }
        // Last, because what is made below a directory changes its time, and may not be made where it is read-only.
        for (auto directory = directories_.rbegin(); directory != directories_.rend(); ++directory)
            if (auto fd = open_directory(directory->path)) {
                const timespec times[2] = {directory->mtime, directory->mtime};
                (void)::utimensat(fd->get(), "", times, AT_EMPTY_PATH);
                if ((directory->mode & 0700) != 0700) (void)::chmod(fd_path(fd->get()).c_str(), directory->mode);
            }
        return {};
    }

private:
    // A directory below the base, O_PATH.
    Result<UniqueFd> open_directory(const std::string& path) {
        const std::string whole = base_ + "/" + path;
        if (options_.links == UnpackOptions::Links::within_root)
            return open_in_root(root_, whole, O_PATH | O_DIRECTORY);
        open_how how{};
        how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
        how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
        UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root_, whole.c_str(), &how, sizeof how)));
        if (!fd) return fail_errno("open " + quote_json(path));
        return fd;
    }

    Result<UniqueFd> make_parents(const std::string& path) {
        auto there = open_directory(path);
        if (there || there.error().system_errno != ENOENT) return there;
        std::string done;
        GANTRY_TRY(UniqueFd at, open_directory(""));
        for (std::string_view part : split(path, '/')) {
            if (part.empty()) continue;
            done += (done.empty() ? "" : "/") + std::string(part);
            auto next = open_directory(done);
            if (!next && next.error().system_errno == ENOENT) {
                if (::mkdirat(at.get(), std::string(part).c_str(), 0755) != 0 && errno != EEXIST)
                    return fail_errno("make directory " + quote_json(done));
                next = open_directory(done);
            }
            if (!next) return next;
            at = std::move(*next);
        }
        return at;
    }

    Result<void> one(Member& member) {
        if (options_.rename) {
            GANTRY_TRY(member.name, options_.rename(member.name));
            if (member.name.empty()) return {};
            if (!member.hard_link.empty()) {
                GANTRY_TRY(member.hard_link, options_.rename(member.hard_link));
            }
        }
        GANTRY_TRY(std::string path, place_of(member.name, "a member"));
        const std::size_t slash = path.rfind('/');
        const std::string above = slash == std::string::npos ? "" : path.substr(0, slash);
        const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
        if (name.empty()) {
            if (!S_ISDIR(member.mode)) return fail(Code::invalid, "the archive has a root that is not a directory");
            return {};  // the base itself stays as it is
        }
        // No file has such an owner, and the lower half of the number would be another's.
        if (options_.owner == UnpackOptions::Owner::archive &&
            (member.uid < 0 || member.uid >= UINT32_MAX || member.gid < 0 || member.gid >= UINT32_MAX))
            return fail(Code::invalid, "the archive has " + quote_json(path) + " of the owner " +
                                           std::to_string(member.uid) + ":" + std::to_string(member.gid) +
                                           ", which is out of range");
        GANTRY_FAILPOINT("archive.unpack.before_open");
        GANTRY_TRY(UniqueFd parent, make_parents(above));
        if (!member.hard_link.empty()) return hard_link(parent.get(), name, path, member);
        GANTRY_CHECK(make_way(parent.get(), name, path, S_ISDIR(member.mode)));
        if (S_ISDIR(member.mode)) return directory(parent.get(), name, path, member);
        if (S_ISREG(member.mode)) return file(parent.get(), name, path, member);
        if (S_ISLNK(member.mode)) {
            if (::symlinkat(member.link.c_str(), parent.get(), name.c_str()) != 0)
                return fail_errno("make the link " + quote_json(path));
            return attributes(parent.get(), name, path, member);
        }
        if (!S_ISCHR(member.mode) && !S_ISBLK(member.mode) && !S_ISFIFO(member.mode))
            return fail(Code::invalid, "the archive has " + quote_json(path) + ", which is of no known kind");
        // overlayfs's mark of a file that was deleted.
        if (S_ISCHR(member.mode) && member.device == 0)
            return fail(Code::invalid, "the archive has " + quote_json(path) + ", which is a device 0:0");
        if (!S_ISFIFO(member.mode) && !options_.devices)
            return fail(Code::denied, "the archive has " + quote_json(path) + ", which is a device");
        if (::mknodat(parent.get(), name.c_str(), (member.mode & S_IFMT) | 0600, member.device) != 0)
            return fail_errno("make the node " + quote_json(path));
        return attributes(parent.get(), name, path, member);
    }

    // What stands in the way goes; a directory stays for a directory.
    Result<void> make_way(int parent, const std::string& name, const std::string& path, bool directory) {
        struct stat info {};
        if (::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
            return errno == ENOENT ? Result<void>() : fail_errno("look up " + quote_json(path));
        const bool is_directory = S_ISDIR(info.st_mode);
        if (is_directory && directory) return {};
        if (options_.keep_kinds && is_directory != directory)
            return fail(Code::invalid,
                        is_directory ? "cannot overwrite directory " + quote_json("/" + path) + " with non-directory"
                                     : "cannot overwrite non-directory " + quote_json("/" + path) + " with directory");
        return remove_node(parent, name);
    }

    Result<void> hard_link(int parent, const std::string& name, const std::string& path, const Member& member) {
        GANTRY_TRY(std::string target, place_of(member.hard_link, "a hard link to"));
        const std::size_t slash = target.rfind('/');
        GANTRY_TRY(UniqueFd directory, open_directory(slash == std::string::npos ? "" : target.substr(0, slash)));
        const std::string base = slash == std::string::npos ? target : target.substr(slash + 1);
        if (base.empty()) return fail(Code::invalid, "the archive has a hard link to a directory");
        auto node = open_node(directory.get(), base);
        if (!node) return std::move(node).error().context("link " + quote_json(path));
        struct stat info {
        }, own{};
        if (::fstat(node->get(), &info) != 0) return fail_errno("link " + quote_json(path));
        if (S_ISDIR(info.st_mode))
            return fail(Code::invalid, "the archive has the hard link " + quote_json(path) + " to a directory");
        if (::fstatat(parent, name.c_str(), &own, AT_SYMLINK_NOFOLLOW) == 0 && own.st_dev == info.st_dev &&
            own.st_ino == info.st_ino)
            return {};  // that very file already
        GANTRY_CHECK(make_way(parent, name, path, false));
        // By descriptor: a name could have become a link since. That of a symbolic link is the link itself.
        if (::linkat(node->get(), "", parent, name.c_str(), AT_EMPTY_PATH) != 0) {
            const bool fallback = errno == ENOENT || errno == EPERM;
            if (!fallback || S_ISLNK(info.st_mode) ||
                ::linkat(AT_FDCWD, fd_path(node->get()).c_str(), parent, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
                return fail_errno("link " + quote_json(path));
        }
        return {};
    }

    Result<void> directory(int parent, const std::string& name, const std::string& path, const Member& member) {
        if (::mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST)
            return fail_errno("make directory " + quote_json(path));
        UniqueFd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!fd) return fail_errno("open " + quote_json(path));
        directories_.push_back({path, member.mtime, member.mode & 07777});
        return attributes_of(fd.get(), path, member, 0700);
    }

    Result<void> file(int parent, const std::string& name, const std::string& path, const Member& member) {
        // What it says of its size counts, holes and all.
        if (member.size < 0 || member.size > options_.most_bytes - bytes_)
            return fail(Code::exhausted,
                        "the archive holds more than " + std::to_string(options_.most_bytes) + " bytes");
        bytes_ += member.size;
        UniqueFd fd(::openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!fd) return fail_errno("make " + quote_json(path));
        std::int64_t size = 0;
        for (;;) {
            GANTRY_TRY(std::string_view piece, reader_.data());
            if (piece.empty()) break;
            size += static_cast<std::int64_t>(piece.size());
            // A few bytes of a sparse file can stand for more than any disk has: its holes stay holes.
            if (reader_.hole()) {
                if (::lseek(fd.get(), static_cast<off_t>(piece.size()), SEEK_CUR) < 0)
                    return fail_errno("write " + quote_json(path));
                continue;
            }
            GANTRY_CHECK(write_all(fd.get(), piece).context("write " + quote_json(path)));
        }
        if (size < member.size) size = member.size;  // it ends with a hole
        if (size > 0 && ::ftruncate(fd.get(), size) != 0) return fail_errno("write " + quote_json(path));
        return attributes_of(fd.get(), path, member);
    }

    // Of an open file or directory. The owner goes first: it clears set-id bits and capabilities.
    Result<void> attributes_of(int fd, const std::string& path, const Member& member, mode_t more = 0) {
        if (options_.owner != UnpackOptions::Owner::mine) {
            const auto [uid, gid] = owner_of(member);
            if (::fchown(fd, uid, gid) != 0) return fail_errno("set the owner of " + quote_json(path));
        }
        if (::fchmod(fd, (member.mode & 07777) | more) != 0) return fail_errno("set the mode of " + quote_json(path));
        for (const auto& [name, value] : member.xattrs)
            if (portable_xattr(name) && ::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0 &&
                errno != EOPNOTSUPP && errno != EPERM)
                return fail_errno("set attribute " + quote_json(name) + " of " + quote_json(path));
        const timespec times[2] = {member.mtime, member.mtime};
        if (::futimens(fd, times) != 0) return fail_errno("set the time of " + quote_json(path));
        return {};
    }

    // Of a link or node, by its own descriptor; never what it points to.
    Result<void> attributes(int parent, const std::string& name, const std::string& path, const Member& member) {
        GANTRY_TRY(UniqueFd node, open_node(parent, name));
        struct stat info {};
        if (::fstat(node.get(), &info) != 0) return fail_errno("look up " + quote_json(path));
        if ((info.st_mode & S_IFMT) != (member.mode & S_IFMT))
            return fail(Code::conflict, quote_json(path) + " was changed while it was made");
        if (options_.owner != UnpackOptions::Owner::mine) {
            const auto [uid, gid] = owner_of(member);
            if (::fchownat(node.get(), "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
                return fail_errno("set the owner of " + quote_json(path));
        }
        if (!S_ISLNK(member.mode) && ::chmod(fd_path(node.get()).c_str(), member.mode & 07777) != 0)
            return fail_errno("set the mode of " + quote_json(path));
        const timespec times[2] = {member.mtime, member.mtime};
        if (::utimensat(node.get(), "", times, AT_EMPTY_PATH) != 0)
            return fail_errno("set the time of " + quote_json(path));
        return {};
    }

    std::pair<uid_t, gid_t> owner_of(const Member& member) const {
        if (options_.owner == UnpackOptions::Owner::given) return {options_.uid, options_.gid};
        return {static_cast<uid_t>(member.uid), static_cast<gid_t>(member.gid)};
    }

    TarReader& reader_;
    const int root_;
    const std::string base_;
    const UnpackOptions& options_;
    std::int64_t bytes_ = 0;
    struct Directory {
        std::string path;
        timespec mtime;
        mode_t mode;
    };
    std::vector<Directory> directories_;
};

}  // namespace

Result<void> unpack(TarReader& reader, int root, const std::string& base, const UnpackOptions& options) {
    return Unpacker(reader, root, "/" + clean_relative(base), options).run();
}

}  // namespace gantry::archive
