#include "plugins/storage/common/layer_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "plugins/storage/common/overlay_marks.hpp"
#include "plugins/storage/common/tree.hpp"

namespace gantry::storage {
namespace {

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

std::string path_of(const EntryName& name) {
    return name.directory.empty() ? name.base : name.directory + "/" + name.base;
}

Result<void> set_attributes(int fd, const Attributes& attributes) {
    // This order: chown clears set-id bits and capabilities.
    if (::fchown(fd, attributes.uid, attributes.gid) != 0) return fail_errno("set the owner");
    for (const auto& [name, value] : attributes.xattrs)
        if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0 && errno != EOPNOTSUPP)
            return fail_errno("set the attribute \"" + shown(name) + "\"");
    if (::fchmod(fd, attributes.mode) != 0) return fail_errno("set the mode");
    return {};
}

// For entries that cannot be opened: links and nodes, which cannot have user.* attributes either.
Result<void> set_attributes_at(int directory, const std::string& name, const Attributes& attributes, bool is_link) {
    if (::fchownat(directory, name.c_str(), attributes.uid, attributes.gid, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno("set the owner");
    if (!is_link) {
        long done = ::syscall(SYS_fchmodat2, directory, name.c_str(), attributes.mode, AT_SYMLINK_NOFOLLOW);
        // Kernels before 6.6. The name is the node just made, in a tree that is ours alone.
        if (done != 0 && errno == ENOSYS) done = ::fchmodat(directory, name.c_str(), attributes.mode, 0);
        if (done != 0) return fail_errno("set the mode");
    }
    const timespec times[2] = {attributes.mtime, attributes.mtime};
    if (::utimensat(directory, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno("set the time");
    return {};
}

// The attributes of the directory `path` as the layers below show it, if they do.
bool attributes_in_lowers(const std::vector<int>& lowers, const std::string& path, Attributes& found) {
    for (int lower : lowers) {
        auto fd = open_below(lower, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, Links::refuse);
        if (!fd) {
            if (fd.error().system_errno == ENOENT) continue;
            return false;
        }
        struct stat info {};
        if (::fstat(fd->get(), &info) != 0) return false;
        found = {info.st_uid, info.st_gid, info.st_mode & 07777u, info.st_mtim, {}};
        return true;
    }
    return false;
}

}  // namespace

Result<UniqueFd> LayerWriter::resolve(std::string path) {
    auto direct = open_below(root_, path, O_RDONLY | O_DIRECTORY, Links::inside);
    if (direct || (direct.error().system_errno != ENOENT && direct.error().system_errno != ENOTDIR)) return direct;
    for (int links = 0; links < 40; ++links) {
        std::string done, rest = path;
        bool restarted = false;
        while (!rest.empty() && !restarted) {
            std::size_t slash = rest.find('/');
            std::string part = rest.substr(0, slash);
            rest = slash == std::string::npos ? std::string() : rest.substr(slash + 1);
            if (part.empty() || part == ".") continue;
            std::string next = done.empty() ? part : done + "/" + part;
            auto opened = open_below(root_, next, O_PATH | O_DIRECTORY, Links::inside);
            if (opened) {
                done = std::move(next);
                continue;
            }
            GANTRY_TRY(UniqueFd above, open_below(root_, done, O_RDONLY | O_DIRECTORY, Links::inside));
            struct stat info {};
            if (::fstatat(above.get(), part.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
                if (errno != ENOENT) return fail_errno("look up \"" + shown(next) + "\"");
                GANTRY_CHECK(make_implicit(above.get(), part, next, lowers_));
                done = std::move(next);
            } else if (is_whiteout(info)) {
                if (::unlinkat(above.get(), part.c_str(), 0) != 0) return fail_errno("replace a whiteout");
                // What the layers below have there is deleted: nothing of it is taken over.
                GANTRY_CHECK(make_implicit(above.get(), part, next, {}));
                GANTRY_TRY(UniqueFd made, open_at(above.get(), part, O_RDONLY | O_DIRECTORY));
                GANTRY_CHECK(make_opaque(made.get()));
                done = std::move(next);
            } else if (S_ISLNK(info.st_mode)) {
                // A link to what is not there yet: its target is made, inside the root, as a process there would.
                char target[4096];
                ssize_t length = ::readlinkat(above.get(), part.c_str(), target, sizeof target);
                if (length <= 0 || length == sizeof target)
                    return fail(Code::invalid, "the link \"" + shown(next) + "\" cannot be read");
                std::string to(target, static_cast<std::size_t>(length));
                path = (to.front() == '/' ? to : done + "/" + to) + "/" + rest;
                if (path.size() > max_entry_name)
                    return fail(Code::invalid, "the links on the way to \"" + shown(next) + "\" are too long");
                restarted = true;
            } else {
                return fail(Code::invalid, "\"" + shown(next) + "\" is not a directory");
            }
        }
        if (!restarted) return open_below(root_, path, O_RDONLY | O_DIRECTORY, Links::inside);
    }
    return fail(Code::invalid, "too many links on the way to \"" + shown(path) + "\"");
}

Result<void> LayerWriter::make_implicit(int directory, const std::string& name, const std::string& path,
                                        const std::vector<int>& lowers) {
    Attributes attributes{0, 0, 0755, timespec{}, {}};
    attributes_in_lowers(lowers, path, attributes);
    if (::mkdirat(directory, name.c_str(), 0700) != 0) return fail_errno("make directory \"" + shown(path) + "\"");
    GANTRY_TRY(UniqueFd made, open_at(directory, name, O_RDONLY | O_DIRECTORY));
    GANTRY_CHECK(set_attributes(made.get(), attributes));
    directory_times_[path] = attributes.mtime;
    return {};
}

Result<int> LayerWriter::parent(const std::string& path) {
    if (!cached_ || cached_path_ != path) {
        GANTRY_TRY(cached_, resolve(path));
        cached_path_ = path;
    }
    return cached_.get();
}

Result<LayerWriter::Before> LayerWriter::make_room(int directory, const std::string& name, bool keep_directory) {
    struct stat info {};
    if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return Before::absent;
        return fail_errno("look up \"" + shown(name) + "\"");
    }
    if (S_ISDIR(info.st_mode) && keep_directory) return Before::directory;
    bool whiteout = is_whiteout(info);
    GANTRY_TRY(Removed removed, remove_entry(directory, name));
    (void)removed;
    // Paths in the cache may have led through what is gone now. `directory` itself is still the caller's.
    if (!whiteout) cached_path_ = std::string(1, '\0');
    return whiteout ? Before::whiteout : Before::absent;
}

void LayerWriter::remember(const EntryName& name, const timespec& mtime) { directory_times_[path_of(name)] = mtime; }

Result<void> LayerWriter::directory(const EntryName& name, const Attributes& attributes) {
    if (name.base.empty()) {
        GANTRY_CHECK(set_attributes(root_, attributes));
        remember(name, attributes.mtime);
        return {};
    }
    GANTRY_TRY(int above, parent(name.directory));
    GANTRY_TRY(Before before, make_room(above, name.base, true));
    if (before != Before::directory && ::mkdirat(above, name.base.c_str(), 0700) != 0)
        return fail_errno("make a directory");
    GANTRY_TRY(UniqueFd made, open_at(above, name.base, O_RDONLY | O_DIRECTORY));
    if (before == Before::whiteout) GANTRY_CHECK(make_opaque(made.get()));
    GANTRY_CHECK(set_attributes(made.get(), attributes));
    remember(name, attributes.mtime);
    return {};
}

Result<UniqueFd> LayerWriter::file(const EntryName& name) {
    GANTRY_TRY(int above, parent(name.directory));
    GANTRY_TRY(Before before, make_room(above, name.base, false));
    (void)before;
    return open_at(above, name.base, O_WRONLY | O_CREAT | O_EXCL, 0600);
}

Result<void> LayerWriter::finish_file(const UniqueFd& file, const Attributes& attributes) {
    GANTRY_CHECK(set_attributes(file.get(), attributes));
    const timespec times[2] = {attributes.mtime, attributes.mtime};
    if (::futimens(file.get(), times) != 0) return fail_errno("set the time");
    return {};
}

Result<void> LayerWriter::symlink(const EntryName& name, const std::string& target, const Attributes& attributes) {
    GANTRY_TRY(int above, parent(name.directory));
    GANTRY_TRY(Before before, make_room(above, name.base, false));
    (void)before;
    if (::symlinkat(target.c_str(), above, name.base.c_str()) != 0) return fail_errno("make a symbolic link");
    return set_attributes_at(above, name.base, attributes, true);
}

Result<void> LayerWriter::hardlink(const EntryName& name, const EntryName& target) {
    auto source = open_below(root_, target.directory, O_PATH | O_DIRECTORY, Links::inside);
    struct stat from {
    }, there{};
    if (!source || target.base.empty() ||
        ::fstatat(source->get(), target.base.c_str(), &from, AT_SYMLINK_NOFOLLOW) != 0)
        return fail(Code::invalid, "a hard link to \"" + shown(path_of(target)) + "\", which this layer has not");
    if (S_ISDIR(from.st_mode) || is_whiteout(from))
        return fail(Code::invalid, "a hard link to \"" + shown(path_of(target)) + "\", which is not a file");
    GANTRY_TRY(int above, parent(name.directory));
    bool present = ::fstatat(above, name.base.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0;
    if (present && there.st_dev == from.st_dev && there.st_ino == from.st_ino) return {};
    GANTRY_TRY(Before before, make_room(above, name.base, false));
    (void)before;
    if (::linkat(source->get(), target.base.c_str(), above, name.base.c_str(), 0) != 0)
        return fail_errno("make a hard link");
    return {};
}

Result<void> LayerWriter::node(const EntryName& name, mode_t type, dev_t device, const Attributes& attributes) {
    if (type == S_IFCHR && device == 0)
        return fail(Code::invalid, "a character device 0:0, which would delete a file of a lower layer");
    GANTRY_TRY(int above, parent(name.directory));
    GANTRY_TRY(Before before, make_room(above, name.base, false));
    (void)before;
    if (::mknodat(above, name.base.c_str(), type | 0600u, device) != 0) return fail_errno("make a node");
    return set_attributes_at(above, name.base, attributes, false);
}

Result<void> LayerWriter::whiteout(const std::string& directory, const std::string& target) {
    GANTRY_TRY(int above, parent(directory));
    struct stat info {};
    if (::fstatat(above, target.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
        if (!S_ISDIR(info.st_mode)) return {};
        GANTRY_TRY(UniqueFd own, open_at(above, target, O_RDONLY | O_DIRECTORY));
        return make_opaque(own.get());
    }
    return make_whiteout(above, target);
}

Result<void> LayerWriter::opaque(const std::string& directory) {
    GANTRY_TRY(int fd, parent(directory));
    return make_opaque(fd);
}

Result<void> LayerWriter::finish() {
    for (const auto& [path, mtime] : directory_times_) {
        auto fd = open_below(root_, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, Links::inside);
        if (!fd) continue;  // replaced by a later entry
        const timespec times[2] = {mtime, mtime};
        if (::futimens(fd->get(), times) != 0) return fail_errno("set the time of \"" + shown(path) + "\"");
    }
    return {};
}

}  // namespace gantry::storage
