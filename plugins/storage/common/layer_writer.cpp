#include "plugins/storage/common/layer_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "plugins/storage/common/overlay_marks.hpp"
#include "plugins/storage/common/tree.hpp"

namespace gantry::storage {
namespace {

// Portable ones, of a directory that came from a lower layer: the archive says anew which it has.
Result<void> remove_xattrs(int fd) {
    char names[16384];
    const ssize_t length = ::flistxattr(fd, names, sizeof names);
    for (const char* name = names; name < names + length; name += std::string_view(name).size() + 1)
        if (is_portable_xattr(name) && ::fremovexattr(fd, name) != 0)
            return fail_errno("remove the attribute \"" + shown(name) + "\"");
    return {};
}

constexpr int max_links = 40;  // as the kernel's own limit, path_resolution(7)

std::string path_of(const EntryName& name) {
    return name.directory.empty() ? name.base : name.directory + "/" + name.base;
}

}  // namespace

Result<LayerWriter::Place> LayerWriter::resolve(const std::string& path) {
    auto direct = open_below(root_, path, O_RDONLY | O_DIRECTORY, Links::refuse);
    if (direct) return Place{std::move(*direct), path};
    if (const int why = direct.error().system_errno; why != ENOENT && why != ENOTDIR && why != ELOOP)
        return std::move(direct).error();
    // Something on the way is absent, a link or a mark: step by step, as a process whose root this is would go.
    GANTRY_TRY(Place at, top());
    std::string rest = path;
    for (int links = 0; !rest.empty();) {
        const std::size_t slash = rest.find('/');
        const std::string part = rest.substr(0, slash);
        rest = slash == std::string::npos ? std::string() : rest.substr(slash + 1);
        if (part.empty() || part == ".") continue;
        if (part == "..") {
            at.path.erase(at.path.find('/') == std::string::npos ? 0 : at.path.rfind('/'));
            GANTRY_TRY(at.fd, open_below(root_, at.path, O_RDONLY | O_DIRECTORY, Links::refuse));
            continue;
        }
        const std::string next = at.path.empty() ? part : at.path + "/" + part;
        if (next.size() > max_entry_name)
            return fail(Code::invalid, "the links on the way to \"" + shown(path) + "\" lead too deep");
        struct stat info {};
        const bool there = ::fstatat(at.fd.get(), part.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
        if (!there && errno != ENOENT) return fail_errno("look up \"" + shown(next) + "\"");
        if (there && S_ISLNK(info.st_mode)) {
            if (++links > max_links) return fail(Code::invalid, "too many links on the way to \"" + shown(path) + "\"");
            char target[4096];
            const ssize_t length = ::readlinkat(at.fd.get(), part.c_str(), target, sizeof target);
            if (length <= 0 || length == sizeof target)
                return fail(Code::invalid, "the link \"" + shown(next) + "\" cannot be read");
            rest = std::string(target, static_cast<std::size_t>(length)) + "/" + rest;
            if (rest.size() > max_entry_name)
                return fail(Code::invalid, "the links on the way to \"" + shown(path) + "\" are too long");
            if (rest.front() == '/') {
                GANTRY_TRY(at, top());
            }
            continue;
        }
        const bool deleted = there && is_whiteout(info);
        if (there && !deleted && !S_ISDIR(info.st_mode))
            return fail(Code::invalid, "\"" + shown(next) + "\" is not a directory");
        if (deleted && ::unlinkat(at.fd.get(), part.c_str(), 0) != 0) return fail_errno("replace a whiteout");
        if (!there || deleted) GANTRY_CHECK(keep_time(at));
        // Of what is deleted nothing is taken over from the layers below.
        if (!there || deleted)
            GANTRY_CHECK(make_implicit(at.fd.get(), part, next, deleted ? std::vector<int>() : lowers_));
        GANTRY_TRY(at.fd, open_at(at.fd.get(), part, O_RDONLY | O_DIRECTORY));
        if (deleted) GANTRY_CHECK(make_opaque(at.fd.get()));
        at.path = next;
    }
    return at;
}

Result<void> LayerWriter::keep_time(const Place& directory) {
    if (form_ != Form::whole || directory_times_.contains(directory.path)) return {};
    struct stat info {};
    if (::fstat(directory.fd.get(), &info) != 0) return fail_errno("look up \"" + shown(directory.path) + "\"");
    directory_times_[directory.path] = info.st_mtim;
    return {};
}

Result<LayerWriter::Place> LayerWriter::top() {
    GANTRY_TRY(UniqueFd fd, open_at(root_, ".", O_RDONLY | O_DIRECTORY));
    return Place{std::move(fd), ""};
}

Result<void> LayerWriter::make_implicit(int directory, const std::string& name, const std::string& path,
                                        const std::vector<int>& lowers) {
    Attributes attributes{0, 0, 0755, timespec{}, {}};
    attributes_in_lowers(lowers, path, attributes);
    if (::mkdirat(directory, name.c_str(), 0700) != 0) return fail_errno("make directory \"" + shown(path) + "\"");
    GANTRY_TRY(UniqueFd made, open_at(directory, name, O_RDONLY | O_DIRECTORY));
    GANTRY_CHECK(set_attributes(made.get(), attributes));
    directory_times_[path] = attributes.mtime;
    struct stat info {};
    if (::fstat(made.get(), &info) != 0) return fail_errno("look up \"" + shown(path) + "\"");
    implied_.add(path, info.st_ino);
    return this->made(directory, name);
}

Result<void> LayerWriter::made(int directory, const std::string& name) {
    if (form_ != Form::whole) return {};
    struct stat info {};
    if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno("look up what was made");
    made_.insert(info.st_ino);
    return {};
}

Result<bool> LayerWriter::remove_older(int directory, const std::string& name, std::size_t depth) {
    struct stat info {};
    if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? Result<bool>(true) : fail_errno("look up \"" + shown(name) + "\"");
    const bool own = made_.contains(info.st_ino);
    if (S_ISDIR(info.st_mode)) {
        GANTRY_TRY(UniqueFd below, open_at(directory, name, O_RDONLY | O_DIRECTORY));
        GANTRY_CHECK(remove_older_in(below.get(), depth + 1));
        if (own) return false;
        if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0) return true;
        if (errno == ENOTEMPTY || errno == EEXIST) return false;
    } else {
        if (own) return false;
        if (::unlinkat(directory, name.c_str(), 0) == 0) return true;
    }
    return fail_errno("remove \"" + shown(name) + "\"");
}

Result<void> LayerWriter::remove_older_in(int directory, std::size_t depth) {
    if (depth > 2 * max_entry_depth) return fail(Code::exhausted, "a directory to be emptied lies too deep");
    cached_path_ = std::string(1, '\0');
    struct stat before {};
    if (::fstat(directory, &before) != 0) return fail_errno("look up a directory");
    GANTRY_TRY(auto names, names_in(directory));
    for (const std::string& name : names) {
        GANTRY_TRY(bool gone, remove_older(directory, name, depth));
        (void)gone;
    }
    const timespec times[2] = {before.st_atim, before.st_mtim};
    if (::futimens(directory, times) != 0) return fail_errno("set the time of a directory");
    return {};
}

Result<int> LayerWriter::parent(const std::string& path) {
    if (!cached_.fd || cached_path_ != path) {
        GANTRY_TRY(cached_, resolve(path));
        cached_path_ = path;
        GANTRY_CHECK(keep_time(cached_));
    }
    return cached_.fd.get();
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

void LayerWriter::remember(const std::string& path, const timespec& mtime) {
    implied_.listed(path);
    directory_times_[path] = mtime;
}

Result<void> LayerWriter::directory(const EntryName& name, const Attributes& attributes) {
    if (name.base.empty()) {
        GANTRY_CHECK(set_attributes(root_, attributes));
        remember("", attributes.mtime);
        return {};
    }
    GANTRY_TRY(int above, parent(name.directory));
    const std::string path = path_of({cached_.path, name.base});
    GANTRY_TRY(Before before, make_room(above, name.base, true));
    if (before != Before::directory && ::mkdirat(above, name.base.c_str(), 0700) != 0)
        return fail_errno("make a directory");
    GANTRY_TRY(UniqueFd made, open_at(above, name.base, O_RDONLY | O_DIRECTORY));
    if (before == Before::whiteout) GANTRY_CHECK(make_opaque(made.get()));
    if (form_ == Form::whole && before == Before::directory) GANTRY_CHECK(remove_xattrs(made.get()));
    GANTRY_CHECK(set_attributes(made.get(), attributes));
    remember(path, attributes.mtime);
    return this->made(above, name.base);
}

Result<UniqueFd> LayerWriter::file(const EntryName& name, mode_t mode) {
    GANTRY_TRY(int above, parent(name.directory));
    // Mostly nothing is there: the look is left to the kernel. Set-id bits come when the content is complete.
    auto file = open_at(above, name.base, O_WRONLY | O_CREAT | O_EXCL, mode & 0777u);
    if (!file && file.error().system_errno == EEXIST) {
        GANTRY_TRY(Before before, make_room(above, name.base, false));
        (void)before;
        file = open_at(above, name.base, O_WRONLY | O_CREAT | O_EXCL, mode & 0777u);
    }
    if (file) GANTRY_CHECK(made(above, name.base));
    return file;
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
    GANTRY_CHECK(set_attributes_at(above, name.base, attributes, Entry::link));
    return made(above, name.base);
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
    return made(above, name.base);
}

Result<void> LayerWriter::node(const EntryName& name, mode_t type, dev_t device, const Attributes& attributes) {
    if (type == S_IFCHR && device == 0)
        return fail(Code::invalid, "a character device 0:0, which would delete a file of a lower layer");
    GANTRY_TRY(int above, parent(name.directory));
    GANTRY_TRY(Before before, make_room(above, name.base, false));
    (void)before;
    if (::mknodat(above, name.base.c_str(), type | 0600u, device) != 0) return fail_errno("make a node");
    GANTRY_CHECK(set_attributes_at(above, name.base, attributes, Entry::node));
    return made(above, name.base);
}

Result<void> LayerWriter::whiteout(const std::string& directory, const std::string& target) {
    GANTRY_TRY(int above, parent(directory));
    if (form_ == Form::whole) {
        GANTRY_TRY(UniqueFd kept, open_at(above, ".", O_RDONLY | O_DIRECTORY));
        GANTRY_TRY(bool gone, remove_older(kept.get(), target, 0));
        (void)gone;
        return {};
    }
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
    if (form_ == Form::upper) return make_opaque(fd);
    GANTRY_TRY(UniqueFd kept, open_at(fd, ".", O_RDONLY | O_DIRECTORY));
    return remove_older_in(kept.get(), 0);
}

Result<void> LayerWriter::finish() {
    for (const auto& [path, mtime] : directory_times_) {
        auto fd = open_below(root_, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, Links::refuse);
        if (!fd) continue;  // replaced by a later entry
        const timespec times[2] = {mtime, mtime};
        if (::futimens(fd->get(), times) != 0) return fail_errno("set the time of \"" + shown(path) + "\"");
    }
    return {};
}

}  // namespace gantry::storage
