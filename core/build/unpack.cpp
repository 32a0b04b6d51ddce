#include "core/build/unpack.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/archive/locale.hpp"
#include "core/base/files.hpp"
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"

namespace gantry::build {
namespace {

constexpr std::size_t longest_name = 4095, deepest_member = 512;
constexpr int not_understood = -1;  // libarchive's ARCHIVE_ERRNO_MISC
constexpr std::size_t most_attributes = 64u << 10;
// What one call of libarchive's may read: an entry's headers, or the map of a sparse file, which it holds in memory. It is looked
// at with each block of what may be compressed: the smaller they are, the less is beyond it.
constexpr std::int64_t call_limit = 4 << 20;
constexpr std::size_t block_size = 16u << 10;
using Archive = std::unique_ptr<struct archive, int (*)(struct archive*)>;

std::string shown(std::string_view name) {
    std::string text(name.substr(0, 200));
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    return text;
}

Archive new_reader() {
    Archive archive(::archive_read_new(), ::archive_read_free);
    for (auto filter : {::archive_read_support_filter_gzip, ::archive_read_support_filter_bzip2,
                        ::archive_read_support_filter_xz, ::archive_read_support_filter_zstd})
        (void)filter(archive.get());
    (void)::archive_read_support_format_tar(archive.get());
    return archive;
}

struct TarInput {
    explicit TarInput(int file) : fd(file) {}
    int fd;
    // Where the archive was, unpacked, before the call; -1: a call that passes over content.
    std::int64_t call_begin = -1;
    std::vector<char> buffer = std::vector<char>(block_size);

    static la_ssize_t read(struct archive* archive, void* self, const void** block) {
        auto& input = *static_cast<TarInput*>(self);
        *block = input.buffer.data();
        if (input.call_begin >= 0 && ::archive_filter_bytes(archive, 0) - input.call_begin > call_limit) {
            ::archive_set_error(archive, ENOMEM, "the headers of an entry are longer than %d bytes", int{call_limit});
            return -1;
        }
        for (;;) {
            const ssize_t n = ::read(input.fd, input.buffer.data(), input.buffer.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) ::archive_set_error(archive, errno, "read the stream");
            return n;
        }
    }
};

Error archive_error(struct archive* archive) {
    const char* text = ::archive_error_string(archive);
    return fail(Code::invalid, std::string("read the tar archive: ") + shown(text ? text : "unknown error"));
}

// Clean and relative; GANTRY_INVALID for "..", "" stands for the directory itself.
Result<std::string> clean_name(const char* text) {
    if (text == nullptr) return fail(Code::invalid, "an entry without a readable name");
    const std::string_view name = text;
    std::string clean;
    std::size_t depth = 0;
    for (std::string_view part : split(name, '/')) {
        if (part.empty() || part == ".") continue;
        if (part == ".." || part.size() > 255 || ++depth > deepest_member || name.size() > longest_name)
            return fail(Code::invalid, "\"" + shown(name) + "\" cannot be the name of an entry");
        clean += (clean.empty() ? "" : "/") + std::string(part);
    }
    return clean;
}

class Unpacker {
public:
    Unpacker(struct archive* archive, TarInput& input, int root, const UnpackOptions& options)
        : archive_(archive), input_(input), root_(root), options_(options) {}

    Result<std::int64_t> run() {
        struct archive_entry* entry = nullptr;
        std::int64_t entries = 0;
        for (;;) {
            if (options_.cancelled && options_.cancelled()) return fail(Code::cancelled, "the build was canceled");
            input_.call_begin = -1;
            if (entries > 0 && ::archive_read_data_skip(archive_) < ARCHIVE_WARN) return archive_error(archive_);
            input_.call_begin = ::archive_filter_bytes(archive_, 0);
            const int status = ::archive_read_next_header(archive_, &entry);
            if (status == ARCHIVE_EOF) break;
            // Of a warning that a header was not understood another reader may make another entry.
            if (status < ARCHIVE_WARN || (status == ARCHIVE_WARN && ::archive_errno(archive_) == not_understood))
                return archive_error(archive_);
            if (++entries > options_.most_entries)
                return fail(Code::exhausted, "more than " + std::to_string(options_.most_entries) + " entries");
            const char* text = ::archive_entry_pathname(entry);
            GANTRY_TRY(std::string name, clean_name(text));
            GANTRY_CHECK(one(entry, name).context("entry \"" + shown(text) + "\""));
        }
        // Times of directories last: what was made in them has changed them.
        for (const auto& [name, time] : directories_) {
            auto directory = open_in_root(root_, name.empty() ? "/" : name, O_RDONLY | O_DIRECTORY);
            const timespec times[2] = {time, time};
            if (directory) (void)::futimens(directory->get(), times);
        }
        return bytes_;
    }

private:
    Result<void> one(struct archive_entry* entry, const std::string& name) {
        const std::size_t slash = name.rfind('/');
        const std::string base = name.substr(slash == std::string::npos ? 0 : slash + 1);
        const std::string above = slash == std::string::npos ? "/" : name.substr(0, slash);
        const mode_t type = ::archive_entry_filetype(entry);
        if (name.empty()) {
            // The directory that is unpacked into stays as it is.
            if (type == AE_IFDIR && ::archive_entry_hardlink(entry) == nullptr) return {};
            return fail(Code::invalid, "the root can only be a directory");
        }
        GANTRY_CHECK(check(entry));
        GANTRY_TRY(UniqueFd parent, make_directories_in_root(root_, above, 0755));
        if (const char* target = ::archive_entry_hardlink(entry)) return hard_link(parent.get(), base, target);
        switch (type) {
        case AE_IFDIR: return directory(entry, parent.get(), base, name);
        case AE_IFREG: return file(entry, parent.get(), base);
        case AE_IFLNK: return link(entry, parent.get(), base);
        case AE_IFCHR:
        case AE_IFBLK:
        case AE_IFIFO: return node(entry, parent.get(), base, type);
        default: return fail(Code::invalid, "an entry of a type that cannot be unpacked");
        }
    }

    // What no file can have is refused, not turned into something else.
    static Result<void> check(struct archive_entry* entry) {
        const auto uid = ::archive_entry_uid(entry), gid = ::archive_entry_gid(entry);
        if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
            return fail(Code::invalid, "owner " + std::to_string(uid) + ":" + std::to_string(gid) + " is out of range");
        const char* key = nullptr;
        const void* value = nullptr;
        std::size_t size = 0, total = 0;
        ::archive_entry_xattr_reset(entry);
        while (::archive_entry_xattr_next(entry, &key, &value, &size) == ARCHIVE_OK) total += size;
        if (total > most_attributes)
            return fail(Code::exhausted, "more than " + std::to_string(most_attributes) + " bytes of attributes");
        return {};
    }

    std::pair<uid_t, gid_t> owner(struct archive_entry* entry) const {
        if (options_.owner) return *options_.owner;
        if (!options_.keep_owner) return {0, 0};
        return {static_cast<uid_t>(::archive_entry_uid(entry)), static_cast<gid_t>(::archive_entry_gid(entry))};
    }
    mode_t mode(struct archive_entry* entry) const {
        const mode_t said = ::archive_entry_filetype(entry) | (::archive_entry_perm(entry) & 07777);
        return options_.mode ? options_.mode(said) : said & 07777;
    }
    static timespec time(struct archive_entry* entry) {
        long ns = ::archive_entry_mtime_nsec(entry);
        return {::archive_entry_mtime(entry), ns < 0 || ns > 999'999'999 ? 0 : ns};
    }
    static Result<void> make_room(int parent, const std::string& base) {
        if (::unlinkat(parent, base.c_str(), 0) == 0 || errno == ENOENT) return {};
        if (errno == EISDIR && ::unlinkat(parent, base.c_str(), AT_REMOVEDIR) == 0) return {};
        return fail_errno("replace what is there");
    }

    Result<void> directory(struct archive_entry* entry, int parent, const std::string& base, const std::string& name) {
        if (::mkdirat(parent, base.c_str(), 0700) != 0) {
            struct stat info {};
            if (errno != EEXIST || ::fstatat(parent, base.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
                return fail_errno("make a directory");
            // Where a link leads is asked within the root alone: what the host has there is nobody's to learn.
            const bool link = S_ISLNK(info.st_mode) && open_in_root(root_, name, O_PATH | O_DIRECTORY);
            if (link) return {};  // to a directory, inside: what comes goes there
            if (!S_ISDIR(info.st_mode)) return fail(Code::invalid, "a directory where there is something else");
        }
        UniqueFd made(::openat(parent, base.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!made) return fail_errno("open a directory");
        const auto [uid, gid] = owner(entry);
        if (::fchown(made.get(), uid, gid) != 0 || ::fchmod(made.get(), mode(entry)) != 0)
            return fail_errno("set the attributes of a directory");
        if (directories_.size() < 100'000) directories_[name] = time(entry);
        return {};
    }

    Result<void> file(struct archive_entry* entry, int parent, const std::string& base) {
        GANTRY_CHECK(make_room(parent, base));
        UniqueFd out(::openat(parent, base.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!out) return fail_errno("make a file");
        const void* block = nullptr;
        std::size_t size = 0;
        la_int64_t offset = 0, end = 0;
        for (;;) {
            input_.call_begin = ::archive_filter_bytes(archive_, 0);
            const int status = ::archive_read_data_block(archive_, &block, &size, &offset);
            if (status == ARCHIVE_EOF) break;
            if (status < ARCHIVE_WARN) return archive_error(archive_);
            if (options_.cancelled && options_.cancelled()) return fail(Code::cancelled, "the build was canceled");
            bytes_ += static_cast<std::int64_t>(size);
            if (bytes_ > options_.most_bytes)
                return fail(Code::exhausted, "more than " + std::to_string(options_.most_bytes) + " bytes of content");
            if (offset > end && ::lseek(out.get(), offset, SEEK_SET) < 0) return fail_errno("seek");
            GANTRY_CHECK(write_all(out.get(), {static_cast<const char*>(block), size}));
            end = offset + static_cast<la_int64_t>(size);
        }
        const la_int64_t whole = ::archive_entry_size(entry);
        if (whole > end && whole <= options_.most_bytes && ::ftruncate(out.get(), whole) != 0)
            return fail_errno("size");
        const auto [uid, gid] = owner(entry);
        const timespec when = time(entry), times[2] = {when, when};
        if (::fchown(out.get(), uid, gid) != 0 || ::fchmod(out.get(), mode(entry)) != 0 ||
            ::futimens(out.get(), times) != 0)
            return fail_errno("set the attributes of a file");
        const char* key = nullptr;
        const void* value = nullptr;
        ::archive_entry_xattr_reset(entry);
        while (options_.keep_owner && ::archive_entry_xattr_next(entry, &key, &value, &size) == ARCHIVE_OK) {
            const std::string_view text = key ? key : "";
            if (text != "security.capability" && !text.starts_with("user.")) continue;
            if (text.starts_with("user.overlay.")) continue;
            if (::fsetxattr(out.get(), key, value, size, 0) != 0 && errno != EOPNOTSUPP)
                return fail_errno("set an attribute of a file");
        }
        return {};
    }

    Result<void> link(struct archive_entry* entry, int parent, const std::string& base) {
        const char* target = ::archive_entry_symlink(entry);
        if (target == nullptr) return fail(Code::invalid, "a link without a readable target");
        GANTRY_CHECK(make_room(parent, base));
        if (::symlinkat(target, parent, base.c_str()) != 0) return fail_errno("make a link");
        const auto [uid, gid] = owner(entry);
        const timespec when = time(entry), times[2] = {when, when};
        if (::fchownat(parent, base.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0 ||
            ::utimensat(parent, base.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
            return fail_errno("set the attributes of a link");
        return {};
    }

    Result<void> hard_link(int parent, const std::string& base, const char* target) {
        GANTRY_TRY(std::string clean, clean_name(target));
        const std::size_t slash = clean.rfind('/');
        GANTRY_TRY(UniqueFd from, open_in_root(root_, slash == std::string::npos ? "/" : clean.substr(0, slash),
                                               O_PATH | O_DIRECTORY));
        const std::string name = clean.substr(slash == std::string::npos ? 0 : slash + 1);
        struct stat source {
        }, there{};
        if (::fstatat(from.get(), name.c_str(), &source, AT_SYMLINK_NOFOLLOW) != 0)
            return fail_errno("make a hard link to \"" + shown(clean) + "\"");
        if (S_ISDIR(source.st_mode)) return fail(Code::invalid, "a hard link to a directory");
        if (::fstatat(parent, base.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_dev == source.st_dev &&
            there.st_ino == source.st_ino)
            return {};  // that very file already
        GANTRY_CHECK(make_room(parent, base));
        if (::linkat(from.get(), name.c_str(), parent, base.c_str(), 0) != 0) return fail_errno("make a hard link");
        return {};
    }

    Result<void> node(struct archive_entry* entry, int parent, const std::string& base, mode_t type) {
        if (!options_.devices) return fail(Code::invalid, "neither a file, a directory nor a link");
        GANTRY_CHECK(make_room(parent, base));
        const dev_t device = type == AE_IFIFO ? 0
                                              : makedev(static_cast<unsigned>(::archive_entry_rdevmajor(entry)),
                                                        static_cast<unsigned>(::archive_entry_rdevminor(entry)));
        // 0:0 would be overlayfs's mark of a deleted file.
        if (type == AE_IFCHR && device == 0) return fail(Code::invalid, "a device 0:0");
        const auto [uid, gid] = owner(entry);
        if (::mknodat(parent, base.c_str(), type | 0600, device) != 0 ||
            ::fchownat(parent, base.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0 ||
            ::fchmodat(parent, base.c_str(), mode(entry), 0) != 0)
            return fail_errno("make a node");
        return {};
    }

    struct archive* archive_;
    TarInput& input_;
    int root_;
    const UnpackOptions& options_;
    std::map<std::string, timespec> directories_;
    std::int64_t bytes_ = 0;
};

}  // namespace

Result<bool> is_archive(int file) {
    struct stat info {};
    if (::fstat(file, &info) != 0) return fail_errno("stat an archive");
    if (!S_ISREG(info.st_mode) || info.st_size == 0) return false;
    archive::Utf8Locale utf8;
    Archive archive = new_reader();
    struct archive_entry* entry = nullptr;
    TarInput input(file);
    input.call_begin = 0;
    bool is = ::archive_read_open(archive.get(), &input, nullptr, TarInput::read, nullptr) == ARCHIVE_OK &&
              ::archive_read_next_header(archive.get(), &entry) == ARCHIVE_OK;
    archive.reset();
    if (::lseek(file, 0, SEEK_SET) != 0) return fail_errno("seek");
    return is;
}

Result<std::int64_t> unpack_tar(int tar, int directory, const UnpackOptions& options) {
    archive::Utf8Locale utf8;
    Archive archive = new_reader();
    TarInput input(tar);
    if (::archive_read_open(archive.get(), &input, nullptr, TarInput::read, nullptr) != ARCHIVE_OK)
        return archive_error(archive.get());
    return Unpacker(archive.get(), input, directory, options).run();
}

}  // namespace gantry::build
