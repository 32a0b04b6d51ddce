#include "core/build/paths.hpp"
#include "core/base/fd_path.hpp"
#include "core/build/copy_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.hpp"
#include "core/base/file_copy.hpp"
#include "core/base/files.hpp"
#include "core/base/safe_path.hpp"
#include "core/build/unpack.hpp"
#include "core/container/user_lookup.hpp"

namespace gantry::build {
namespace {

constexpr std::size_t most_links = 65536;

// A readable descriptor of what an O_PATH one stands for.
Result<UniqueFd> reopen(int fd, int flags) { return open_file(fd_path(fd), flags); }

}  // namespace

Result<FileCopier> FileCopier::make(int root, const Owner& owner, const std::string& mode,
                                    const std::vector<std::string>& exclude, const Cancel& cancel) {
    FileCopier copier(root, cancel);
    if (!owner.text.empty()) {
        GANTRY_TRY(container::User user, container::look_up_user(root, owner.text, {}));
        // A bare number is user and group both, as --chown has it.
        const bool number = owner.text.find_first_not_of("0123456789") == std::string::npos;
        copier.owner_ = Ids{user.uid, number ? user.uid : user.gid};
    }
    GANTRY_TRY(copier.mode_, FileMode::parse(mode));
    GANTRY_TRY(copier.exclude_, IgnoreMatcher::parse(exclude));
    return copier;
}

// The directory at `path`, made with those above it where they are not there, which then belong to the owner.
Result<UniqueFd> FileCopier::directory(const std::string& path) {
    const std::string clean = clean_relative(path);
    auto there = open_in_root(root_, clean.empty() ? "/" : clean, O_PATH | O_DIRECTORY);
    if (there || there.error().code != Code::not_found) return there;
    const std::size_t slash = clean.rfind('/');
    GANTRY_CHECK(directory(slash == std::string::npos ? "" : clean.substr(0, slash)));
    GANTRY_TRY(UniqueFd made, make_directories_in_root(root_, clean, 0755));
    const Ids ids = ids_of(0, 0);
    if (::fchownat(made.get(), "", ids.uid, ids.gid, AT_EMPTY_PATH) != 0)
        return fail_errno("own directory \"/" + clean + "\"");
    return made;
}

Result<void> FileCopier::make_directory(const std::string& path) {
    GANTRY_CHECK(directory(path));
    return {};
}

Result<void> FileCopier::copy(const CopyAction& action, const std::vector<Selected>& selected) {
    const std::size_t count = selected.size() + action.inline_files.size();
    std::size_t files = action.inline_files.size();
    for (const Selected& source : selected) files += source.directory ? 0 : 1;
    bool into = action.destination.ends_with('/') || count > 1 || action.parents;
    if (!into)
        into = bool(open_in_root(root_, action.destination, O_PATH | O_DIRECTORY));
    else if (files > 0)
        GANTRY_CHECK(directory(action.destination));
    for (const Selected& source : selected) {
        GANTRY_CHECK(cancel_.check());
        GANTRY_CHECK(copy_one(action, source, into));
    }
    for (const auto& file : action.inline_files) GANTRY_CHECK(put_file(action.destination, file, into));
    return {};
}

Result<void> FileCopier::copy_one(const CopyAction& action, const Selected& source, bool into) {
    std::string target = action.destination;
    if (action.parents) target = below(below(target, source.parents), source.directory ? source.name : "");
    if (source.directory) {
        const bool fresh = !open_in_root(root_, target, O_PATH | O_DIRECTORY);
        auto place = directory(target);
        if (!place) {
            if (place.error().system_errno == ENOTDIR)
                return fail(Code::invalid, "cannot copy a directory to \"" + target + "\", which is none");
            return std::move(place).error();
        }
        GANTRY_TRY(UniqueFd from, reopen(source.file.get(), O_RDONLY | O_DIRECTORY));
        GANTRY_CHECK(copy_tree(from.get(), place->get(), clean_relative(target), "", nullptr, 0));
        struct stat info {};
        if (::fstat(from.get(), &info) != 0) return fail_errno("stat \"/" + source.path + "\"");
        // One that was there keeps its own attributes.
        if (fresh) {
            GANTRY_TRY(UniqueFd made, reopen(place->get(), O_RDONLY | O_DIRECTORY));
            const Ids ids = ids_of(info.st_uid, info.st_gid);
            const timespec times[2] = {info.st_mtim, info.st_mtim};
            if (::fchown(made.get(), ids.uid, ids.gid) != 0 || ::fchmod(made.get(), mode_.apply(info.st_mode)) != 0 ||
                ::futimens(made.get(), times) != 0)
                return fail_errno("set the attributes of \"" + target + "\"");
        }
        return {};
    }
    if (exclude_.ignores(source.name)) return {};
    if (action.unpack) {
        GANTRY_TRY(UniqueFd file, reopen(source.file.get(), O_RDONLY | O_NONBLOCK));
        GANTRY_TRY(bool archive, is_archive(file.get()));
        if (archive) return unpack(target, file.get());
    }
    std::string name = source.name;
    if (!into) {
        const std::string clean = clean_relative(target);
        const std::size_t slash = clean.rfind('/');
        name = clean.substr(slash == std::string::npos ? 0 : slash + 1);
        target = slash == std::string::npos ? "" : clean.substr(0, slash);
        // The destination may be a link to where the file shall go.
        if (auto there = open_in_root(root_, clean, O_PATH)) {
            GANTRY_TRY(UniqueFd entry, open_in_root(root_, clean, O_PATH | O_NOFOLLOW));
            struct stat info {};
            if (::fstat(entry.get(), &info) == 0 && S_ISLNK(info.st_mode)) {
                GANTRY_TRY(UniqueFd out, open_in_root(root_, clean, O_WRONLY | O_TRUNC | O_NONBLOCK));
                GANTRY_TRY(UniqueFd in, reopen(source.file.get(), O_RDONLY | O_NONBLOCK));
                struct stat from {};
                if (::fstat(in.get(), &from) != 0 || !S_ISREG(from.st_mode))
                    return fail(Code::invalid, "\"/" + source.path + "\" is no regular file");
                GANTRY_CHECK(copy_content(in.get(), out.get(), from.st_size, clean));
                const Ids ids = ids_of(from.st_uid, from.st_gid);
                if (::fchown(out.get(), ids.uid, ids.gid) != 0 || ::fchmod(out.get(), mode_.apply(from.st_mode)) != 0)
                    return fail_errno("set the attributes of \"/" + clean + "\"");
                return {};
            }
        }
    }
    GANTRY_TRY(UniqueFd place, directory(target));
    return copy_opened(source.file.get(), place.get(), name, below(clean_relative(target), name));
}

Result<void> FileCopier::unpack(const std::string& destination, int file) {
    GANTRY_TRY(UniqueFd place, directory(destination));
    UnpackOptions options;
    options.keep_owner = true;
    if (owner_) options.owner = {owner_->uid, owner_->gid};
    options.mode = [this](mode_t mode) { return mode_.apply(mode); };
    options.cancelled = [this] { return cancel_.cancelled(); };
    GANTRY_TRY(std::int64_t bytes, unpack_tar(file, place.get(), options));
    bytes_ += bytes;
    return {};
}

Result<void> FileCopier::copy_tree(int from, int to, const std::string& place, const std::string& relative,
                                   const IgnoreMatcher::Verdict* above, int depth) {
    if (depth > deepest_directory)
        return fail(Code::invalid, "a directory tree deeper than " + std::to_string(deepest_directory));
    GANTRY_CHECK(cancel_.check());
    GANTRY_TRY(auto names, list_directory(fd_path(from)));
    for (const std::string& name : names) {
        struct stat info {};
        if (::fstatat(from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno("stat \"" + name + "\"");
        const std::string inner = below(relative, name), inner_place = below(place, name);
        const auto verdict = exclude_.judge(inner, above);
        if (!S_ISDIR(info.st_mode)) {
            if (!verdict.ignored) GANTRY_CHECK(copy_entry(from, name, to, name, inner_place));
            continue;
        }
        if (verdict.ignored && !exclude_.may_keep_below(inner)) continue;
        // A directory, or a link to one inside the root, takes what comes; nothing else gives way to it.
        if (::mkdirat(to, name.c_str(), 0755) != 0 && errno != EEXIST)
            return fail_errno("make directory \"/" + inner_place + "\"");
        auto target = open_in_root(root_, inner_place, O_RDONLY | O_DIRECTORY);
        if (!target) return fail(Code::invalid, "cannot copy a directory to \"/" + inner_place + "\", which is none");
        UniqueFd source(::openat(from, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!source) return fail_errno("open \"" + inner + "\"");
        GANTRY_CHECK(copy_tree(source.get(), target->get(), inner_place, inner, &verdict, depth + 1));
        if (verdict.ignored) continue;
        const Ids ids = ids_of(info.st_uid, info.st_gid);
        const timespec times[2] = {info.st_mtim, info.st_mtim};
        if (::fchown(target->get(), ids.uid, ids.gid) != 0 || ::fchmod(target->get(), mode_.apply(info.st_mode)) != 0)
            return fail_errno("set the attributes of \"/" + inner_place + "\"");
        GANTRY_CHECK(copy_attributes(source.get(), target->get(), inner));
        if (::futimens(target->get(), times) != 0) return fail_errno("set the time of \"/" + inner_place + "\"");
    }
    return {};
}

// A directory does not give way to a file; all else does.
Result<void> FileCopier::make_room(int to, const std::string& name, const std::string& place) {
    if (::unlinkat(to, name.c_str(), 0) == 0 || errno == ENOENT) return {};
    if (errno == EISDIR) return fail(Code::invalid, "cannot replace the directory \"/" + place + "\" by a file");
    return fail_errno("replace \"/" + place + "\"");
}

Result<void> FileCopier::copy_entry(int from, const std::string& name, int to, const std::string& new_name,
                                    const std::string& place) {
    UniqueFd file(::openat(from, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!file) return fail_errno("open \"" + name + "\"");
    return copy_opened(file.get(), to, new_name, place);
}

Result<void> FileCopier::copy_opened(int file, int to, const std::string& name, const std::string& place) {
    struct stat info {};
    if (::fstat(file, &info) != 0) return fail_errno("stat a file for \"/" + place + "\"");
    if (S_ISSOCK(info.st_mode)) return {};  // without its server it is nothing
    GANTRY_CHECK(make_room(to, name, place));
    const std::pair key{info.st_dev, info.st_ino};
    if (info.st_nlink > 1)
        if (auto first = linked_.find(key); first != linked_.end()) {
            if (::linkat(AT_FDCWD, fd_path(first->second.get()).c_str(), to, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
                return fail_errno("link \"/" + place + "\"");
            return {};
        }
    const Ids ids = ids_of(info.st_uid, info.st_gid);
    if (S_ISREG(info.st_mode)) {
        GANTRY_TRY(UniqueFd in, reopen(file, O_RDONLY));
        UniqueFd out(::openat(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!out) return fail_errno("make \"/" + place + "\"");
        GANTRY_CHECK(copy_content(in.get(), out.get(), info.st_size, place));
        bytes_ += info.st_size;
        if (::fchown(out.get(), ids.uid, ids.gid) != 0 || ::fchmod(out.get(), mode_.apply(info.st_mode)) != 0)
            return fail_errno("set the attributes of \"/" + place + "\"");
        GANTRY_CHECK(copy_attributes(in.get(), out.get(), place));
    } else if (S_ISLNK(info.st_mode)) {
        std::string target(4097, '\0');
        const ssize_t n = ::readlinkat(file, "", target.data(), target.size() - 1);
        if (n < 0) return fail_errno("read the link for \"/" + place + "\"");
        target.resize(static_cast<std::size_t>(n));
        if (::symlinkat(target.c_str(), to, name.c_str()) != 0) return fail_errno("make link \"/" + place + "\"");
        if (::fchownat(to, name.c_str(), ids.uid, ids.gid, AT_SYMLINK_NOFOLLOW) != 0)
            return fail_errno("own \"/" + place + "\"");
    } else {
        if (::mknodat(to, name.c_str(), (info.st_mode & S_IFMT) | 0600, info.st_rdev) != 0 ||
            ::fchownat(to, name.c_str(), ids.uid, ids.gid, AT_SYMLINK_NOFOLLOW) != 0 ||
            ::fchmodat(to, name.c_str(), mode_.apply(info.st_mode), 0) != 0)
            return fail_errno("make node \"/" + place + "\"");
    }
    const timespec times[2] = {info.st_mtim, info.st_mtim};
    if (::utimensat(to, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno("set the time of \"/" + place + "\"");
    if (info.st_nlink > 1 && linked_.size() < most_links) {
        UniqueFd made(::openat(to, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (made) linked_.emplace(key, std::move(made));
    }
    return {};
}

Result<void> FileCopier::put_file(const std::string& destination, const CopyAction::InlineFile& file, bool into) {
    const std::string clean = clean_relative(into ? destination + "/" + file.name : destination);
    const std::size_t slash = clean.rfind('/');
    const std::string name = clean.substr(slash == std::string::npos ? 0 : slash + 1);
    if (name.empty() || (into && file.name.find('/') != std::string::npos))
        return fail(Code::invalid, "\"" + file.name + "\" cannot be the name of a file");
    GANTRY_TRY(UniqueFd place, directory(slash == std::string::npos ? "" : clean.substr(0, slash)));
    GANTRY_CHECK(make_room(place.get(), name, clean));
    UniqueFd out(::openat(place.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!out) return fail_errno("make \"/" + clean + "\"");
    GANTRY_CHECK(write_all(out.get(), file.content));
    const Ids ids = ids_of(0, 0);
    if (::fchown(out.get(), ids.uid, ids.gid) != 0 || ::fchmod(out.get(), mode_.apply(S_IFREG | 0644)) != 0)
        return fail_errno("set the attributes of \"/" + clean + "\"");
    bytes_ += static_cast<std::int64_t>(file.content.size());
    return {};
}

}  // namespace gantry::build
