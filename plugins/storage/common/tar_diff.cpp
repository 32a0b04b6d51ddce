#include "plugins/storage/common/tar_diff.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <vector>

#include "plugins/storage/common/overlay_marks.hpp"
#include "plugins/storage/common/tar_name.hpp"
#include "plugins/storage/common/tree.hpp"
#include "plugins/storage/common/utf8_locale.hpp"

namespace gantry::storage {
namespace {

using Archive = std::unique_ptr<struct archive, int (*)(struct archive*)>;
using ArchiveEntry = std::unique_ptr<struct archive_entry, void (*)(struct archive_entry*)>;

// A reader that went away shall be EPIPE for this call, not a signal for the process.
class NoPipeSignal {
public:
    NoPipeSignal() {
        sigemptyset(&pipe_);
        sigaddset(&pipe_, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    }
    ~NoPipeSignal() {
        const timespec now{};
        if (!sigismember(&before_, SIGPIPE)) ::sigtimedwait(&pipe_, nullptr, &now);
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    NoPipeSignal(const NoPipeSignal&) = delete;
    NoPipeSignal& operator=(const NoPipeSignal&) = delete;

private:
    sigset_t pipe_, before_;
};

struct Output {
    int fd;
    static la_ssize_t write(struct archive* archive, void* self, const void* data, std::size_t size) {
        for (;;) {
            ssize_t n = ::write(static_cast<Output*>(self)->fd, data, size);
            if (n >= 0) return n;
            if (errno == EINTR) continue;
            archive_set_error(archive, errno, "write the stream");
            return -1;
        }
    }
};

class Differ {
public:
    Differ(struct archive* archive, const std::function<bool()>& cancelled)
        : archive_(archive), cancelled_(cancelled) {}

    Result<void> directory(int fd, const std::string& path, std::size_t depth) {
        if (depth > max_entry_depth || path.size() > max_entry_name)
            return fail(Code::exhausted, "\"" + shown(path) + "\" lies too deep for an archive");
        if (is_opaque(fd)) GANTRY_CHECK(marker(path + std::string(opaque_marker)));
        GANTRY_TRY(auto names, names_in(fd));
        for (const std::string& name : names) {
            if (cancelled_ && cancelled_()) return fail(Code::cancelled, "the call was given up");
            GANTRY_TRY(UniqueFd below, one(fd, name, path));
            if (below) GANTRY_CHECK(directory(below.get(), path + name + "/", depth + 1));
        }
        return {};
    }

    Result<void> changes(int root, const std::vector<Change>& changes) {
        for (const Change& change : changes) {
            if (cancelled_ && cancelled_()) return fail(Code::cancelled, "the call was given up");
            const std::size_t slash = change.path.rfind('/');
            const std::string name = change.path.substr(slash + 1);
            const std::string path = slash == 0 ? "" : change.path.substr(1, slash);
            if (path.size() > max_entry_name)
                return fail(Code::exhausted, "\"" + shown(path) + "\" lies too deep for an archive");
            if (change.kind == "deleted") {
                GANTRY_CHECK(marker(path + std::string(whiteout_prefix) + name));
                continue;
            }
            GANTRY_TRY(UniqueFd parent, open_below(root, path, O_RDONLY | O_DIRECTORY, Links::refuse));
            GANTRY_CHECK(one(parent.get(), name, path));
        }
        return {};
    }

private:
    // Writes the entry; gives a descriptor of a directory, whose content is still to be written.
    Result<UniqueFd> one(int parent, const std::string& name, const std::string& path) {
        struct stat info {};
        if (::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
            return errno == ENOENT ? Result<UniqueFd>(UniqueFd())
                                   : fail_errno("look up \"" + shown(path + name) + "\"");
        if (is_whiteout(info)) {
            GANTRY_CHECK(marker(path + std::string(whiteout_prefix) + name));
            return UniqueFd();
        }
        if (name.starts_with(whiteout_prefix))
            return fail(Code::unsupported,
                        "\"" + shown(path + name) + "\" has the name of a whiteout and cannot be in a layer");
        if (S_ISSOCK(info.st_mode)) return UniqueFd();

        UniqueFd fd;
        if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) {
            GANTRY_TRY(fd, open_at(parent, name, O_RDONLY | O_NONBLOCK | O_NOATIME));
            if (::fstat(fd.get(), &info) != 0) return fail_errno("look up \"" + shown(path + name) + "\"");
        }
        ArchiveEntry entry(archive_entry_new(), archive_entry_free);
        archive_entry_copy_stat(entry.get(), &info);
        archive_entry_set_mtime(entry.get(), info.st_mtim.tv_sec, 0);
        archive_entry_unset_atime(entry.get());
        archive_entry_unset_ctime(entry.get());
        archive_entry_unset_birthtime(entry.get());
        archive_entry_set_pathname(entry.get(), (path + name + (S_ISDIR(info.st_mode) ? "/" : "")).c_str());
        if (!S_ISREG(info.st_mode)) archive_entry_set_size(entry.get(), 0);
        if (S_ISLNK(info.st_mode)) {
            char target[4096];
            ssize_t length = ::readlinkat(parent, name.c_str(), target, sizeof target - 1);
            if (length < 0) return fail_errno("read the link \"" + shown(path + name) + "\"");
            target[length] = '\0';
            archive_entry_set_symlink(entry.get(), target);
        }
        if (!S_ISDIR(info.st_mode) && info.st_nlink > 1) {
            auto [first, fresh] = linked_.try_emplace({info.st_dev, info.st_ino}, path + name);
            if (!fresh) {
                archive_entry_set_hardlink(entry.get(), first->second.c_str());
                archive_entry_set_size(entry.get(), 0);
                GANTRY_CHECK(header(entry.get(), path + name));
                return UniqueFd();
            }
        }
        if (fd) GANTRY_CHECK(xattrs(fd.get(), entry.get(), path + name));
        GANTRY_CHECK(header(entry.get(), path + name));
        if (S_ISDIR(info.st_mode)) return fd;
        if (S_ISREG(info.st_mode)) GANTRY_CHECK(content(fd.get(), info.st_size, path + name));
        return UniqueFd();
    }

    Result<void> xattrs(int fd, struct archive_entry* entry, const std::string& path) {
        std::vector<char> list(64u << 10);
        ssize_t length = ::flistxattr(fd, list.data(), list.size());
        if (length < 0)
            return errno == EOPNOTSUPP ? Result<void>() : fail_errno("list the attributes of \"" + shown(path) + "\"");
        std::map<std::string, std::string> found;
        for (const char* name = list.data(); name < list.data() + length; name += std::string_view(name).size() + 1) {
            if (std::string_view(name) == "trusted.overlay.redirect" ||
                std::string_view(name) == "trusted.overlay.metacopy")
                return fail(Code::unsupported,
                            "\"" + shown(path) + "\" was made by an overlay with redirect_dir or metacopy");
            if (!is_portable_xattr(name)) continue;
            std::vector<char> value(64u << 10);
            ssize_t size = ::fgetxattr(fd, name, value.data(), value.size());
            if (size >= 0) found[name] = std::string(value.data(), static_cast<std::size_t>(size));
        }
        for (const auto& [name, value] : found)
            archive_entry_xattr_add_entry(entry, name.c_str(), value.data(), value.size());
        return {};
    }

    // Exactly `size` bytes: a file that shrinks meanwhile is filled up, one that grows is cut.
    Result<void> content(int fd, std::int64_t size, const std::string& path) {
        while (size > 0) {
            std::size_t wanted =
                static_cast<std::size_t>(std::min<std::int64_t>(size, static_cast<std::int64_t>(buffer_.size())));
            ssize_t n = ::read(fd, buffer_.data(), wanted);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return fail_errno("read \"" + shown(path) + "\"");
            if (n == 0) return {};
            if (archive_write_data(archive_, buffer_.data(), static_cast<std::size_t>(n)) < 0) return error(path);
            size -= n;
        }
        return {};
    }

    Result<void> marker(const std::string& path) {
        ArchiveEntry entry(archive_entry_new(), archive_entry_free);
        archive_entry_set_pathname(entry.get(), path.c_str());
        archive_entry_set_filetype(entry.get(), AE_IFREG);
        archive_entry_set_perm(entry.get(), 0600);
        archive_entry_set_size(entry.get(), 0);
        archive_entry_set_mtime(entry.get(), 0, 0);
        return header(entry.get(), path);
    }

    Result<void> header(struct archive_entry* entry, const std::string& path) {
        return archive_write_header(archive_, entry) < ARCHIVE_WARN ? Result<void>(error(path)) : Result<void>();
    }

    Error error(const std::string& path) {
        const char* text = archive_error_string(archive_);
        Error failed =
            fail(Code::internal, "write \"" + shown(path) + "\" to the tar stream: " + (text ? text : "unknown error"));
        failed.system_errno = archive_errno(archive_);
        if (failed.system_errno > 0) failed.code = code_of_errno(failed.system_errno);
        return failed;
    }

    struct archive* archive_;
    const std::function<bool()>& cancelled_;
    std::map<std::pair<dev_t, ino_t>, std::string> linked_;
    std::vector<char> buffer_ = std::vector<char>(256u << 10);
};

Result<void> write_tar(int tar, const std::function<bool()>& cancelled,
                       const std::function<Result<void>(Differ&)>& entries) {
    Utf8Locale utf8;
    NoPipeSignal quiet;
    Archive archive(archive_write_new(), archive_write_free);
    if (!archive) return fail(Code::exhausted, "out of memory");
    archive_write_set_format_pax_restricted(archive.get());
    archive_write_set_options(archive.get(), "pax:xattrheader=SCHILY");
    archive_write_set_bytes_per_block(archive.get(), 128 << 10);
    archive_write_set_bytes_in_last_block(archive.get(), 512);
    Output output{tar};
    if (archive_write_open(archive.get(), &output, nullptr, Output::write, nullptr) != ARCHIVE_OK)
        return fail(Code::internal, "begin a tar stream");
    Differ differ(archive.get(), cancelled);
    GANTRY_CHECK(entries(differ));
    if (archive_write_close(archive.get()) != ARCHIVE_OK) {
        const char* text = archive_error_string(archive.get());
        return fail(Code::internal, std::string("end the tar stream: ") + (text ? text : "unknown error"));
    }
    return {};
}

}  // namespace

Result<void> diff_tar(int upper, int tar, const std::function<bool()>& cancelled) {
    return write_tar(tar, cancelled, [&](Differ& differ) -> Result<void> {
        GANTRY_TRY(UniqueFd root, open_at(upper, ".", O_RDONLY | O_DIRECTORY));
        return differ.directory(root.get(), "", 0);
    });
}

Result<void> changes_tar(int tree, const std::vector<Change>& changes, int tar,
                         const std::function<bool()>& cancelled) {
    return write_tar(tar, cancelled, [&](Differ& differ) { return differ.changes(tree, changes); });
}

}  // namespace gantry::storage
