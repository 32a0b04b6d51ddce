#include "core/cli/build/tree_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/cli/build/beneath.hpp"

namespace gantry::cli {
namespace {

std::string quoted(const std::string& path) { return "\"" + path + "\""; }

// "./a//b/" -> "a/b"; "" for the root itself.
Result<std::string> clean(const std::string& path) {
    if (path.find('\0') != std::string::npos)
        return fail(Code::denied, "an entry of the archive has a NUL in its path");
    std::string out;
    for (std::string_view part : split(path, '/')) {
        if (part.empty() || part == ".") continue;
        if (part == "..")
            return fail(Code::denied, "entry " + quoted(path) + " of the archive leads out of its directory");
        out.append(out.empty() ? "" : "/").append(part);
    }
    return out;
}

Error named(Error error, const std::string& path) {
    if (error.system_errno == ELOOP)
        return fail(Code::denied, "entry " + quoted(path) + " of the archive leads through a symbolic link");
    return std::move(error).context("unpack " + quoted(path));
}

}  // namespace

TreeWriter::~TreeWriter() {
    if (!temporary_.empty()) ::unlinkat(target_.parent, temporary_.c_str(), 0);
}

Result<UniqueFd> TreeWriter::make_parents(const std::string& path) {
    auto there = open_beneath(root_.get(), path, O_PATH | O_DIRECTORY, Links::none);
    if (there || there.error().code != Code::not_found) return there;
    std::size_t slash = path.rfind('/');
    UniqueFd above;
    if (slash == std::string::npos) {
        GANTRY_TRY(above, open_beneath(root_.get(), ".", O_PATH | O_DIRECTORY, Links::none));
    } else {
        GANTRY_TRY(above, make_parents(path.substr(0, slash)));
    }
    const std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
    if (::mkdirat(above.get(), name.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno("mkdir");
    return open_beneath(above.get(), name, O_PATH | O_DIRECTORY, Links::none);
}

Result<TreeWriter::Place> TreeWriter::place_of(const std::string& path) {
    std::size_t slash = path.rfind('/');
    std::string above = slash == std::string::npos ? std::string() : path.substr(0, slash);
    if (!parent_ || above != parent_path_) {
        auto opened = make_parents(above);
        if (!opened) return named(std::move(opened).error(), path);
        parent_ = std::move(*opened);
        parent_path_ = above;
    }
    return Place{parent_.get(), path, path.substr(slash == std::string::npos ? 0 : slash + 1)};
}

Result<void> TreeWriter::entry(const TarEntry& entry) {
    if (entry.kind == TarEntry::Kind::other) {
        ++left_out_;
        return {};
    }
    GANTRY_TRY(std::string path, clean(entry.path));
    if (path.empty()) {
        // The root is the user's directory and stays as it is.
        if (entry.kind == TarEntry::Kind::directory) return {};
        return fail(Code::denied, "entry " + quoted(entry.path) + " of the archive would replace its directory");
    }
    GANTRY_TRY(Place place, place_of(path));
    if (entry.kind == TarEntry::Kind::directory) return make_directory(place, entry);
    temporary_ = ".gantry-" + std::to_string(::getpid()) + ".part";
    target_ = place;
    ::unlinkat(place.parent, temporary_.c_str(), 0);
    if (entry.kind != TarEntry::Kind::file) return make_link(place, entry);
    current_ = entry;
    int fd = ::openat(place.parent, temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        temporary_.clear();
        return named(fail_errno("create"), path);
    }
    file_.reset(fd);
    return {};
}

Result<void> TreeWriter::data(std::string_view bytes) {
    auto written = write_all(file_.get(), bytes);
    return written ? written : named(std::move(written).error(), target_.path);
}

Result<void> TreeWriter::end() {
    timespec times[2] = {{0, UTIME_OMIT}, {current_.mtime_s, current_.mtime_ns}};
    const mode_t mode = current_.mode & (bits_ == Bits::all ? 07777u : 0777u);
    if (::fchmod(file_.get(), mode) != 0 || ::futimens(file_.get(), times) != 0)
        return named(fail_errno("set mode and time"), target_.path);
    // A full disk on a network's file system is told of here.
    if (::close(file_.release()) != 0) return named(fail_errno("close"), target_.path);
    return put(target_);
}

Result<void> TreeWriter::put(const Place& place) {
    if (::renameat(place.parent, temporary_.c_str(), place.parent, place.name.c_str()) != 0)
        return named(fail_errno("rename"), place.path);
    temporary_.clear();
    return {};
}

Result<void> TreeWriter::make_directory(const Place& place, const TarEntry& entry) {
    if (::mkdirat(place.parent, place.name.c_str(), 0700) != 0) {
        if (errno != EEXIST) return named(fail_errno("mkdir"), place.path);
        struct stat info {};
        if (::fstatat(place.parent, place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(info.st_mode))
            return fail(Code::conflict, "unpack " + quoted(place.path) + ": what is there is no directory");
    }
    directories_[place.path] = {entry.mode, entry.mtime_s, entry.mtime_ns};
    return {};
}

Result<void> TreeWriter::make_link(const Place& place, const TarEntry& entry) {
    int done = 0;
    if (entry.kind == TarEntry::Kind::symbolic_link) {
        if (entry.link.empty() || entry.link.find('\0') != std::string::npos)
            return fail(Code::corrupt, "symbolic link " + quoted(place.path) + " of the archive has no target");
        done = ::symlinkat(entry.link.c_str(), place.parent, temporary_.c_str());
    } else {
        GANTRY_TRY(std::string source, clean(entry.link));
        if (source.empty()) {
            temporary_.clear();
            return fail(Code::denied, "entry " + quoted(place.path) + " of the archive is a hard link to a directory");
        }
        if (source == place.path) {
            temporary_.clear();
            return {};
        }
        std::size_t slash = source.rfind('/');
        auto above = open_beneath(root_.get(), slash == std::string::npos ? "." : source.substr(0, slash),
                                  O_PATH | O_DIRECTORY, Links::none);
        if (!above) {
            temporary_.clear();
            return named(std::move(above).error(), place.path);
        }
        done = ::linkat(above->get(), source.substr(slash == std::string::npos ? 0 : slash + 1).c_str(), place.parent,
                        temporary_.c_str(), 0);
    }
    if (done != 0) {
        Error error = fail_errno("link to " + quoted(entry.link));
        temporary_.clear();
        return named(std::move(error), place.path);
    }
    if (entry.kind == TarEntry::Kind::symbolic_link) {
        timespec times[2] = {{0, UTIME_OMIT}, {entry.mtime_s, entry.mtime_ns}};
        ::utimensat(place.parent, temporary_.c_str(), times, AT_SYMLINK_NOFOLLOW);
    }
    const std::string temporary = temporary_;
    GANTRY_CHECK(put(place));
    // Two names of one file: rename(2) does nothing then and leaves both.
    if (entry.kind == TarEntry::Kind::hard_link) ::unlinkat(place.parent, temporary.c_str(), 0);
    return {};
}

Result<void> TreeWriter::finish() {
    // The deepest first: setting one directory's mode may shut out what is below, and a later entry changes its parent's time.
    for (auto it = directories_.rbegin(); it != directories_.rend(); ++it) {
        const auto& [path, wanted] = *it;
        auto directory = open_beneath(root_.get(), path, O_RDONLY | O_DIRECTORY, Links::none);
        // A later entry of a hostile archive may have put something else in its place: that keeps what it has.
        if (!directory) continue;
        timespec times[2] = {{0, UTIME_OMIT}, {wanted.mtime_s, wanted.mtime_ns}};
        if (::futimens(directory->get(), times) != 0 ||
            ::fchmod(directory->get(), wanted.mode & (bits_ == Bits::all ? 07777u : 0777u)) != 0)
            return named(fail_errno("set mode and time"), path);
    }
    return {};
}

}  // namespace gantry::cli
