#include "core/archive/tar_writer.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "core/archive/locale.hpp"
#include "core/base/files.hpp"
#include "core/base/text.hpp"

namespace gantry::archive {
namespace {

constexpr std::size_t block = 128u << 10;

}  // namespace

struct TarWriter::Impl {
    Sink sink;
    std::optional<Error> failed;  // the sink's own
    std::vector<char> buffer = std::vector<char>(256u << 10);
    std::unique_ptr<struct archive, int (*)(struct archive*)> archive{nullptr, archive_write_free};

    static la_ssize_t write(struct archive* archive, void* self, const void* data, std::size_t size) {
        auto& impl = *static_cast<Impl*>(self);
        auto taken = impl.sink({static_cast<const char*>(data), size});
        if (taken) return static_cast<la_ssize_t>(size);
        impl.failed = std::move(taken).error();
        archive_set_error(archive, EIO, "the stream ended");
        return -1;
    }
    Error error(std::string_view name) const {
        if (failed) return *failed;
        const char* text = archive_error_string(archive.get());
        return fail(Code::internal, "write " + quote_json(name) + " to a tar stream: " + (text ? text : "unknown"));
    }
};

Sink sink_to(int fd) {
    return [fd](std::string_view bytes) { return write_all(fd, bytes); };
}

TarWriter::TarWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

TarWriter::~TarWriter() {
    // Without finish() nothing more shall go out: closing would pad the stream to a whole one.
    if (impl_ && impl_->archive) impl_->sink = [](std::string_view) { return fail(Code::cancelled, "given up"); };
}

Result<std::unique_ptr<TarWriter>> TarWriter::create(Sink sink) {
    auto impl = std::make_unique<Impl>();
    impl->sink = std::move(sink);
    impl->archive.reset(archive_write_new());
    if (!impl->archive) return fail(Code::exhausted, "out of memory");
    struct archive* archive = impl->archive.get();
    archive_write_set_format_pax_restricted(archive);
    archive_write_set_options(archive, "pax:xattrheader=SCHILY");
    archive_write_set_bytes_per_block(archive, static_cast<int>(block));
    archive_write_set_bytes_in_last_block(archive, 512);
    if (archive_write_open(archive, impl.get(), nullptr, Impl::write, nullptr) != ARCHIVE_OK)
        return fail(Code::internal, "begin a tar stream");
    return std::unique_ptr<TarWriter>(new TarWriter(std::move(impl)));
}

Result<void> TarWriter::member(const Member& member) {
    Utf8Locale utf8;
    std::unique_ptr<struct archive_entry, void (*)(struct archive_entry*)> entry(archive_entry_new(),
                                                                                 archive_entry_free);
    archive_entry_set_pathname(entry.get(), member.name.c_str());
    archive_entry_set_mode(entry.get(), member.mode);
    archive_entry_set_uid(entry.get(), member.uid);
    archive_entry_set_gid(entry.get(), member.gid);
    archive_entry_set_mtime(entry.get(), member.mtime.tv_sec, 0);
    archive_entry_set_size(entry.get(), S_ISREG(member.mode) && member.hard_link.empty() ? member.size : 0);
    if (S_ISLNK(member.mode)) archive_entry_set_symlink(entry.get(), member.link.c_str());
    if (!member.hard_link.empty()) archive_entry_set_hardlink(entry.get(), member.hard_link.c_str());
    if (S_ISCHR(member.mode) || S_ISBLK(member.mode)) archive_entry_set_rdev(entry.get(), member.device);
    if (member.hard_link.empty())
        for (const auto& [name, value] : member.xattrs)
            archive_entry_xattr_add_entry(entry.get(), name.c_str(), value.data(), value.size());
    if (archive_write_header(impl_->archive.get(), entry.get()) < ARCHIVE_WARN) return impl_->error(member.name);
    return {};
}

Result<void> TarWriter::data(std::string_view bytes) {
    while (!bytes.empty()) {
        la_ssize_t n = archive_write_data(impl_->archive.get(), bytes.data(), bytes.size());
        if (n < 0) return impl_->error("data");
        if (n == 0) return fail(Code::internal, "more data than a tar member's size");
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

Result<void> TarWriter::data_from(int fd, std::int64_t size) {
    auto& buffer = impl_->buffer;
    while (size > 0) {
        const auto wanted = static_cast<std::size_t>(std::min(size, static_cast<std::int64_t>(buffer.size())));
        ssize_t n = ::read(fd, buffer.data(), wanted);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("read a file");
        if (n == 0) {
            std::fill(buffer.begin(), buffer.end(), '\0');
            n = static_cast<ssize_t>(wanted);
        }
        GANTRY_CHECK(data({buffer.data(), static_cast<std::size_t>(n)}));
        size -= n;
    }
    return {};
}

Result<void> TarWriter::finish() {
    if (archive_write_close(impl_->archive.get()) != ARCHIVE_OK) return impl_->error("the end");
    return {};
}

}  // namespace gantry::archive
