#include "core/image/archive_spool.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <gantry/driver.hpp>

#include "core/base/text.hpp"
#include "core/base/safe_path.hpp"
#include "core/image/spool_watch.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image {
namespace {

using Archive = std::unique_ptr<struct archive, int (*)(struct archive*)>;
constexpr std::size_t max_members = 20'000;
constexpr std::size_t max_name = 1024;

struct Reader {
    static constexpr std::int64_t tar_block = 512;
    // What one call of libarchive's may read: a member's headers, or the map of a sparse file, which it holds in memory.
    static constexpr std::int64_t call_limit = 4 << 20;

    ByteSource* from;
    std::vector<char> buffer = std::vector<char>(256u << 10);
    std::optional<Error> failed = std::nullopt;
    std::int64_t total = 0;
    std::int64_t call_begin = 0;  // `total` before the call; -1: a call that only passes over content
    // Some writers end the archive right behind the content of its last member. Docker accepts that, so the rest of the
    // last block is made up; never where content is missing, or where the stream was cut within that rest.
    std::int64_t may_end_at = 0;  // within a block; 0: nowhere

    static la_ssize_t next(struct archive* archive, void* self, const void** block) {
        auto* reader = static_cast<Reader*>(self);
        auto n = reader->from->read(reader->buffer.data(), reader->buffer.size());
        if (!n) {
            reader->failed = std::move(n).error();
            archive_set_error(archive, EIO, "read the stream");
            return -1;
        }
        std::size_t length = *n;
        if (length == 0 && reader->may_end_at != 0 && reader->total % tar_block == reader->may_end_at) {
            length = static_cast<std::size_t>(tar_block - reader->may_end_at);
            std::fill_n(reader->buffer.begin(), length, '\0');
        }
        reader->total += static_cast<std::int64_t>(length);
        if (reader->call_begin >= 0 && reader->total - reader->call_begin > call_limit) {
            reader->failed = fail(Code::exhausted, "the headers of a member of the image archive are longer than " +
                                                       std::to_string(call_limit) + " bytes");
            archive_set_error(archive, ENOMEM, "headers too long");
            return -1;
        }
        *block = reader->buffer.data();
        return static_cast<la_ssize_t>(length);
    }
};

// Whether a call has failed. Some warnings are failures: that a header was not understood (libarchive's
// ARCHIVE_ERRNO_MISC) means that another reader may see another member there. That a name is not UTF-8 is none.
bool is_failure(struct archive* archive, int status) {
    constexpr int not_understood = -1;
    if (status == ARCHIVE_WARN) return archive_errno(archive) == not_understood;
    return status != ARCHIVE_OK;
}

Error problem(struct archive* archive, const Reader& reader) {
    if (reader.failed) return *reader.failed;
    const char* text = archive_error_string(archive);
    return fail(Code::invalid, std::string("read the image archive: ") + (text ? text : "unknown error"));
}

// "./a//b" -> "a/b". nullopt: a name that climbs, or too long.
std::optional<std::string> member_name(std::string_view name) {
    if (name.size() > max_name) return std::nullopt;
    for (std::string_view part : split(name, '/'))
        if (part == "..") return std::nullopt;
    return clean_relative(name);
}

// What a watch is shown of a member.
class Showing {
public:
    Showing(SpoolWatch* watch, const std::string& name, const BlobWriter& file)
        : watch_(watch), name_(name), file_(file) {}
    Showing(const Showing&) = delete;
    Showing& operator=(const Showing&) = delete;
    ~Showing() { end(false); }
    // `bytes` are in the file now.
    void written(std::string_view bytes) {
        if (member_) return member_->grown(file_.size());
        if (watch_ == nullptr) return;
        head_.append(bytes.substr(0, head_bytes - head_.size()));
        if (head_.size() < head_bytes) return;
        member_ = std::exchange(watch_, nullptr)->begin(name_, file_.path(), head_);
        if (member_) member_->grown(file_.size());
    }
    void end(bool good) {
        if (auto member = std::exchange(member_, nullptr)) member->ended(good);
    }

private:
    static constexpr std::size_t head_bytes = 512;
    SpoolWatch* watch_;
    const std::string& name_;
    const BlobWriter& file_;
    std::string head_;
    std::shared_ptr<SpoolWatch::Member> member_;
};

Result<void> store_member(struct archive* archive, std::int64_t size, Reader& reader, BlobWriter& file,
                          Showing& showing) {
    const void* block = nullptr;
    std::size_t length = 0;
    la_int64_t offset = 0;
    for (;;) {
        reader.call_begin = reader.total;
        int status = archive_read_data_block(archive, &block, &length, &offset);
        if (status == ARCHIVE_EOF) return {};
        if (is_failure(archive, status)) return problem(archive, reader);
        if (offset != file.size() && length > 0)
            return fail(Code::invalid, "an image archive cannot hold sparse files");
        GANTRY_CHECK(file.write({static_cast<const char*>(block), length}));
        showing.written({static_cast<const char*>(block), length});
        // libarchive passes over the rest of the last block as soon as it is asked for more of this member.
        reader.may_end_at = file.size() == size ? size % Reader::tar_block : 0;
    }
}

}  // namespace

Result<Spool> Spool::read(ByteSource& from, const BlobStore& blobs, SpoolWatch* watch) {
    Spool spool;
    Archive archive(archive_read_new(), archive_read_free);
    archive_read_support_format_tar(archive.get());
    Reader reader{&from};
    if (archive_read_open(archive.get(), &reader, nullptr, Reader::next, nullptr) != ARCHIVE_OK)
        return problem(archive.get(), reader);
    struct archive_entry* entry = nullptr;
    for (bool first = true;; first = false) {
        reader.call_begin = -1;
        if (!first && archive_read_data_skip(archive.get()) < ARCHIVE_WARN) return problem(archive.get(), reader);
        reader.call_begin = reader.total;
        int status = archive_read_next_header(archive.get(), &entry);
        reader.may_end_at = 0;
        if (status == ARCHIVE_EOF) break;
        if (is_failure(archive.get(), status)) return problem(archive.get(), reader);
        const char* given = archive_entry_pathname(entry);
        if (given == nullptr) return fail(Code::invalid, "the image archive has a member without a readable name");
        auto name = member_name(given);
        if (!name)
            return fail(Code::invalid, "the image archive has a member with the forbidden name " +
                                           quote_json(std::string_view(given).substr(0, 200)));
        if (spool.files_.size() + spool.links_.size() >= max_members)
            return fail(Code::exhausted, "the image archive has more than " + std::to_string(max_members) + " members");
        const auto type = archive_entry_filetype(entry);
        const char* hardlink = archive_entry_hardlink(entry);
        if (hardlink == nullptr && type == AE_IFDIR) continue;
        if (hardlink != nullptr || type == AE_IFLNK) {
            const char* target = hardlink ? hardlink : archive_entry_symlink(entry);
            if (target == nullptr || std::string_view(target).size() > max_name)
                return fail(Code::invalid, "the image archive has a link without a target");
            std::size_t slash = name->rfind('/');
            const std::string base =
                hardlink || slash == std::string::npos ? std::string() : name->substr(0, slash + 1);
            spool.files_.erase(*name);
            spool.links_[*name] = clean_relative(base + target);
            continue;
        }
        if (type != AE_IFREG)
            return fail(Code::invalid,
                        "the image archive has " + quote_json(*name) + ", which is neither a file nor a link");
        GANTRY_TRY(BlobWriter file, blobs.writer());
        Showing showing(watch, *name, file);
        GANTRY_CHECK(store_member(archive.get(), archive_entry_size(entry), reader, file, showing));
        file.finish();
        // An archive may have more members than the engine has descriptors.
        file.close();
        if (name->starts_with("blobs/") && "sha256:" + name->substr(name->rfind('/') + 1) != file.digest())
            return fail(Code::invalid, quote_json(*name) + " has the digest \"" + file.digest() + "\"");
        showing.end(true);
        spool.links_.erase(*name);
        spool.files_.erase(*name);
        spool.files_.emplace(*name, std::move(file));
    }
    // What follows the end of the archive is padding; but only a stream that has ended well was whole.
    for (;;) {
        GANTRY_TRY(std::size_t n, from.read(reader.buffer.data(), reader.buffer.size()));
        if (n == 0) return spool;
    }
}

BlobWriter* Spool::find(const std::string& name) {
    std::string wanted = name;
    for (int links = 0; links < 16; ++links) {
        if (auto file = files_.find(wanted); file != files_.end()) return &file->second;
        auto link = links_.find(wanted);
        if (link == links_.end()) return nullptr;
        wanted = link->second;
    }
    return nullptr;
}

Result<std::string> Spool::text(const std::string& name) {
    BlobWriter* file = find(name);
    if (file == nullptr) return fail(Code::invalid, "the image archive has no " + quote_json(name));
    if (static_cast<std::size_t>(file->size()) > max_document_bytes)
        return fail(Code::invalid, quote_json(name) + " is larger than 4 MiB");
    GANTRY_CHECK(file->reopen());
    ScopeGuard closed([&] { file->close(); });
    std::string text(static_cast<std::size_t>(file->size()), '\0');
    for (std::size_t filled = 0; filled < text.size();) {
        ssize_t n = ::pread(file->fd(), text.data() + filled, text.size() - filled, static_cast<off_t>(filled));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail_errno("read " + quote_json(name));
        filled += static_cast<std::size_t>(n);
    }
    return text;
}

}  // namespace gantry::image
