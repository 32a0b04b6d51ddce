#include "plugins/storage/common/tar_apply.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "plugins/storage/common/layer_writer.hpp"
#include "plugins/storage/common/overlay_marks.hpp"
#include "plugins/storage/common/utf8_locale.hpp"

namespace gantry::storage {
namespace {

using Archive = std::unique_ptr<struct archive, int (*)(struct archive*)>;

// The stream as libarchive reads it.
struct Input {
    static constexpr std::int64_t tar_block = 512;
    // What one call of libarchive's may read: an entry's headers, or the map of a sparse file, which it holds in memory.
    static constexpr std::int64_t call_limit = 4 << 20;

    int fd;
    const std::function<bool()>* cancelled;
    bool was_cancelled = false;
    std::int64_t total = 0;
    std::int64_t call_begin = 0;  // `total` before the call; -1: a call that only passes over content
    // Some writers (umoci) end a stream right behind the content of its last file. Docker accepts that, so the rest of
    // the last block is made up; never where content is missing, or where the stream was cut within that rest.
    std::int64_t may_end_at = 0;  // within a block; 0: nowhere
    std::vector<char> buffer = std::vector<char>(256u << 10);

    // Like read(2), but gives up when the call is cancelled.
    ssize_t next() {
        for (;;) {
            pollfd wait{fd, POLLIN, 0};
            int ready = ::poll(&wait, 1, 500);
            if (*cancelled && (*cancelled)()) {
                was_cancelled = true;
                errno = ECANCELED;
                return -1;
            }
            if (ready <= 0) continue;
            ssize_t n = ::read(fd, buffer.data(), buffer.size());
            if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            return n;
        }
    }
    static la_ssize_t read(struct archive* archive, void* self, const void** block) {
        auto* input = static_cast<Input*>(self);
        *block = input->buffer.data();
        ssize_t n = input->next();
        if (n < 0) archive_set_error(archive, errno, "read the stream");
        if (n > 0) input->total += n;
        if (n > 0 && input->call_begin >= 0 && input->total - input->call_begin > call_limit) {
            archive_set_error(archive, ENOMEM, "the headers of an entry are longer than %d bytes", int{call_limit});
            return -1;
        }
        if (n == 0 && input->may_end_at != 0 && input->total % tar_block == input->may_end_at) {
            n = tar_block - input->may_end_at;
            std::fill_n(input->buffer.begin(), n, '\0');
            input->total += n;
        }
        return n;
    }
};

// Whether a call has failed. Some warnings are failures: that a header was not understood (libarchive's
// ARCHIVE_ERRNO_MISC) means that another reader may see another entry there. That a name is not UTF-8 is none.
bool failed(struct archive* archive, int status) {
    constexpr int not_understood = -1;
    if (status == ARCHIVE_WARN) return archive_errno(archive) == not_understood;
    return status != ARCHIVE_OK;
}

Error tar_error(struct archive* archive, const Input& input) {
    if (input.was_cancelled) return fail(Code::cancelled, "the call was given up");
    const char* text = archive_error_string(archive);
    return fail(Code::invalid, std::string("read the tar stream: ") + (text ? shown(text) : "unknown error"));
}

Result<Attributes> attributes_of(struct archive_entry* entry, const ApplyLimits& limits) {
    Attributes attributes;
    const la_int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);
    if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
        return fail(Code::invalid, "owner " + std::to_string(uid) + ":" + std::to_string(gid) + " is out of range");
    attributes.uid = static_cast<uid_t>(uid);
    attributes.gid = static_cast<gid_t>(gid);
    attributes.mode = archive_entry_perm(entry) & 07777u;
    long nanoseconds = archive_entry_mtime_nsec(entry);
    if (nanoseconds < 0 || nanoseconds > 999'999'999) nanoseconds = 0;
    attributes.mtime = {archive_entry_mtime(entry), nanoseconds};

    std::int64_t total = 0;
    archive_entry_xattr_reset(entry);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
        if (name == nullptr || !is_portable_xattr(name)) continue;
        total += static_cast<std::int64_t>(size);
        if (total > limits.xattr_bytes)
            return fail(Code::exhausted, "more than " + std::to_string(limits.xattr_bytes) + " bytes of attributes");
        attributes.xattrs.emplace_back(name, std::string(static_cast<const char*>(value), size));
    }
    return attributes;
}

class Applier {
public:
    Applier(struct archive* archive, Input& input, const ApplyTarget& target, const ApplyLimits& limits)
        : archive_(archive), input_(input), limits_(limits), writer_(target.root, target.lowers, target.form) {
        if (target.implied != nullptr) writer_.implied() = *target.implied;
    }
    const Implied& implied() { return writer_.implied(); }

    Result<std::int64_t> run() {
        struct archive_entry* entry = nullptr;
        for (;;) {
            input_.call_begin = -1;
            if (entries_ > 0 && archive_read_data_skip(archive_) < ARCHIVE_WARN) return tar_error(archive_, input_);
            input_.call_begin = input_.total;
            int status = archive_read_next_header(archive_, &entry);
            input_.may_end_at = 0;
            if (status == ARCHIVE_EOF) break;
            if (failed(archive_, status)) return tar_error(archive_, input_);
            if (++entries_ > limits_.entries)
                return fail(Code::exhausted, "more than " + std::to_string(limits_.entries) + " entries");
            const char* name = archive_entry_pathname(entry);
            if (name == nullptr) return fail(Code::invalid, "an entry without a readable name");
            GANTRY_CHECK(one(entry, name).context("entry \"" + shown(name) + "\""));
        }
        GANTRY_CHECK(writer_.finish());
        return bytes_;
    }

private:
    Result<void> one(struct archive_entry* entry, const char* text) {
        GANTRY_TRY(EntryName name, parse_entry_name(text));
        // Markers count wherever they stand in a path: a directory of such a name has no meaning either.
        GANTRY_TRY(ParsedMarker marker, parse_marker(name.base));
        if (marker.kind == Marker::whiteout) return writer_.whiteout(name.directory, marker.target);
        if (marker.kind == Marker::opaque) return writer_.opaque(name.directory);
        if (marker.kind == Marker::ignored) return {};
        if (("/" + name.directory).find("/.wh.") != std::string::npos) {
            if (("/" + name.directory).find("/.wh..wh.") != std::string::npos) return {};
            return fail(Code::invalid, "a whiteout is no directory");
        }

        if (const char* target = archive_entry_hardlink(entry)) {
            if (name.base.empty()) return fail(Code::invalid, "the root cannot be a hard link");
            GANTRY_TRY(EntryName linked, parse_entry_name(target).context("hard link target"));
            return writer_.hardlink(name, linked);
        }
        GANTRY_TRY(Attributes attributes, attributes_of(entry, limits_));
        const mode_t type = archive_entry_filetype(entry);
        if (type == AE_IFDIR) return writer_.directory(name, attributes);
        if (name.base.empty()) return fail(Code::invalid, "the root can only be a directory");
        switch (type) {
        case AE_IFREG: return regular(entry, name, attributes);
        case AE_IFLNK: {
            const char* target = archive_entry_symlink(entry);
            if (target == nullptr || *target == '\0') return fail(Code::invalid, "a symbolic link without a target");
            return writer_.symlink(name, target, attributes);
        }
        case AE_IFIFO: return writer_.node(name, S_IFIFO, 0, attributes);
        case AE_IFCHR:
        case AE_IFBLK:
            return writer_.node(name, type == AE_IFCHR ? S_IFCHR : S_IFBLK,
                                makedev(static_cast<unsigned>(archive_entry_rdevmajor(entry)),
                                        static_cast<unsigned>(archive_entry_rdevminor(entry))),
                                attributes);
        default: return fail(Code::invalid, "an entry of an unknown type");
        }
    }

    Result<void> regular(struct archive_entry* entry, const EntryName& name, const Attributes& attributes) {
        const std::int64_t size = archive_entry_size(entry);
        if (size < 0) return fail(Code::invalid, "a negative size");
        GANTRY_TRY(UniqueFd file, writer_.file(name, attributes.mode));
        const void* block = nullptr;
        std::size_t length = 0;
        la_int64_t offset = 0, end = 0;
        for (;;) {
            input_.call_begin = input_.total;
            int status = archive_read_data_block(archive_, &block, &length, &offset);
            if (status == ARCHIVE_EOF) break;
            if (failed(archive_, status)) return tar_error(archive_, input_);
            if (length == 0) continue;
            bytes_ += static_cast<std::int64_t>(length);
            if (bytes_ > limits_.bytes)
                return fail(Code::exhausted, "more than " + std::to_string(limits_.bytes) + " bytes of content");
            GANTRY_CHECK(write_at(file.get(), static_cast<const char*>(block), length, offset));
            end = offset + static_cast<la_int64_t>(length);
            // libarchive passes over the rest of the last block as soon as it is asked for more of this file.
            input_.may_end_at = end == size ? size % Input::tar_block : 0;
        }
        if (end < size && ::ftruncate(file.get(), size) != 0)
            return fail_errno("make a file of " + std::to_string(size) + " bytes");
        return writer_.finish_file(file, attributes);
    }

    static Result<void> write_at(int fd, const char* data, std::size_t length, la_int64_t offset) {
        while (length > 0) {
            ssize_t n = ::pwrite(fd, data, length, offset);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return fail_errno("write");
            data += n;
            offset += n;
            length -= static_cast<std::size_t>(n);
        }
        return {};
    }

    struct archive* archive_;
    Input& input_;
    const ApplyLimits& limits_;
    LayerWriter writer_;
    std::int64_t entries_ = 0, bytes_ = 0;
};

}  // namespace

Result<std::int64_t> apply_tar(int tar, const ApplyTarget& target, const ApplyLimits& limits,
                               const std::function<bool()>& cancelled) {
    Utf8Locale utf8;
    Archive archive(archive_read_new(), archive_read_free);
    if (!archive) return fail(Code::exhausted, "out of memory");
    archive_read_support_format_tar(archive.get());
    archive_read_support_format_empty(archive.get());
    Input input{tar, &cancelled};
    if (archive_read_open(archive.get(), &input, nullptr, Input::read, nullptr) != ARCHIVE_OK)
        return tar_error(archive.get(), input);
    Applier applier(archive.get(), input, target, limits);
    GANTRY_TRY(std::int64_t bytes, applier.run());
    if (target.implied != nullptr) *target.implied = applier.implied();
    // What follows the end of the archive is padding, but the writer's digest counts it: read it all.
    ssize_t n = 0;
    while ((n = input.next()) > 0) {
    }
    if (n < 0)
        return input.was_cancelled ? fail(Code::cancelled, "the call was given up") : fail_errno("read the tar stream");
    return bytes;
}

}  // namespace gantry::storage
