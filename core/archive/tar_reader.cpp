#include "core/archive/tar_reader.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <vector>

#include "core/archive/locale.hpp"

namespace gantry::archive {

// What one call of libarchive's may read: a member's headers, or the map of a sparse file, which it holds in memory.
constexpr std::int64_t call_limit = 4 << 20;

struct TarReader::Impl {
    Source source;
    // Bytes read, in all and before this call; call_begin -1: a call that passes over content.
    std::int64_t total = 0, call_begin = 0;
    std::optional<Error> failed;  // the source's own
    std::vector<char> buffer = std::vector<char>(256u << 10);
    std::unique_ptr<struct archive, int (*)(struct archive*)> archive{nullptr, archive_read_free};
    std::int64_t at = 0;    // within the member's content
    std::int64_t hole = 0;  // zeros before what waits
    bool in_hole = false;   // what was given last was such
    bool begun = false;     // there was a member
    std::string zeros;      // of a hole
    std::string_view waiting;

    static la_ssize_t read(struct archive* archive, void* self, const void** data) {
        auto& impl = *static_cast<Impl*>(self);
        auto n = impl.source(impl.buffer.data(), impl.buffer.size());
        *data = impl.buffer.data();
        if (n) impl.total += static_cast<std::int64_t>(*n);
        if (n && impl.call_begin >= 0 && impl.total - impl.call_begin > call_limit) {
            impl.failed = fail(Code::exhausted, "the archive has a member whose headers are longer than " +
                                                    std::to_string(call_limit) + " bytes");
            archive_set_error(archive, ENOMEM, "too much");
            return -1;
        }
        if (n) return static_cast<la_ssize_t>(*n);
        impl.failed = std::move(n).error();
        archive_set_error(archive, EIO, "the stream ended");
        return -1;
    }
    Error error() const {
        if (failed) return *failed;
        const char* text = archive_error_string(archive.get());
        return fail(Code::invalid, std::string("the archive is damaged: ") + (text ? text : "not a tar stream"));
    }
};

Source source_from(int fd) {
    return [fd](char* data, std::size_t size) -> Result<std::size_t> {
        for (;;) {
            ssize_t n = ::read(fd, data, size);
            if (n >= 0) return static_cast<std::size_t>(n);
            if (errno != EINTR) return fail_errno("read the archive");
        }
    };
}

TarReader::TarReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TarReader::~TarReader() = default;

Result<std::unique_ptr<TarReader>> TarReader::create(Source source) {
    auto impl = std::make_unique<Impl>();
    impl->source = std::move(source);
    impl->archive.reset(archive_read_new());
    if (!impl->archive) return fail(Code::exhausted, "out of memory");
    archive_read_support_format_tar(impl->archive.get());
    archive_read_support_format_empty(impl->archive.get());
    if (archive_read_open(impl->archive.get(), impl.get(), nullptr, Impl::read, nullptr) != ARCHIVE_OK)
        return impl->error();
    return std::unique_ptr<TarReader>(new TarReader(std::move(impl)));
}

Result<std::optional<Member>> TarReader::next() {
    Utf8Locale utf8;
    struct archive_entry* entry = nullptr;
    impl_->call_begin = -1;
    // Apart from the next header, which is bounded.
    if (impl_->begun && archive_read_data_skip(impl_->archive.get()) < ARCHIVE_WARN) return impl_->error();
    impl_->begun = true;
    impl_->call_begin = impl_->total;
    const int status = archive_read_next_header(impl_->archive.get(), &entry);
    if (status == ARCHIVE_EOF) return std::optional<Member>();
    // Of a warning that a header was not understood another reader may make another member.
    constexpr int not_understood = -1;  // libarchive's ARCHIVE_ERRNO_MISC
    if (status < ARCHIVE_WARN || (status == ARCHIVE_WARN && archive_errno(impl_->archive.get()) == not_understood))
        return impl_->error();
    impl_->at = impl_->hole = 0;
    impl_->waiting = {};
    Member member;
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr) return fail(Code::invalid, "the archive has a member without a readable name");
    member.name = name;
    member.mode = archive_entry_mode(entry);
    member.uid = archive_entry_uid(entry);
    member.gid = archive_entry_gid(entry);
    member.size = archive_entry_size(entry);
    member.mtime = {archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)};
    member.device = archive_entry_rdev(entry);
    if (const char* target = archive_entry_hardlink(entry))
        member.hard_link = target;
    else if (const char* link = archive_entry_symlink(entry))
        member.link = link;
    archive_entry_xattr_reset(entry);
    const char* key = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (archive_entry_xattr_next(entry, &key, &value, &size) == ARCHIVE_OK && key != nullptr)
        member.xattrs[key] = std::string(static_cast<const char*>(value), size);
    return std::optional<Member>(std::move(member));
}

Result<std::string_view> TarReader::data() {
    if (impl_->waiting.empty()) {
        const void* bytes = nullptr;
        std::size_t size = 0;
        la_int64_t offset = 0;
        do {
            impl_->call_begin = impl_->total;
            const int status = archive_read_data_block(impl_->archive.get(), &bytes, &size, &offset);
            if (status == ARCHIVE_EOF) return std::string_view();
            if (status < ARCHIVE_WARN) return impl_->error();
        } while (size == 0);
        if (offset < impl_->at) return fail(Code::invalid, "the archive has a sparse file whose parts overlap");
        impl_->waiting = {static_cast<const char*>(bytes), size};
        impl_->hole = offset - impl_->at;
    }
    impl_->in_hole = impl_->hole > 0;
    if (impl_->in_hole) {
        // A piece at a time; what is behind it waits.
        const std::int64_t length = std::min<std::int64_t>(impl_->hole, 256 << 10);
        impl_->zeros.resize(static_cast<std::size_t>(length), '\0');
        impl_->hole -= length;
        impl_->at += length;
        return std::string_view(impl_->zeros);
    }
    const std::string_view piece = std::exchange(impl_->waiting, {});
    impl_->at += static_cast<std::int64_t>(piece.size());
    return piece;
}

bool TarReader::hole() const { return impl_->in_hole; }

}  // namespace gantry::archive
