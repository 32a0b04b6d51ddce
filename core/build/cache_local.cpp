// A build cache in a directory of the client: an OCI layout, of which the engine believes no byte.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "core/build/cache_store.hpp"
#include "core/build/plain_tar.hpp"
#include "core/image/digest.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::build {
namespace {

std::string cached_blob_path(const std::string& digest) { return "blobs/sha256/" + std::string(image::hex_of(digest)); }

class LocalCacheSource final : public CacheSource {
public:
    LocalCacheSource(Client& client, std::size_t index, std::string scratch)
        : client_(client), index_(index), scratch_(std::move(scratch)) {}

    Result<std::string> manifest(const Cancel& cancel) override {
        GANTRY_TRY(std::string index, read_text("index.json", cancel));
        GANTRY_TRY(CacheBlob blob, read_cache_index(index));
        return document(blob, cancel);
    }

    Result<std::string> document(const CacheBlob& blob, const Cancel& cancel) override {
        GANTRY_TRY(std::string text, read_text(cached_blob_path(blob.digest), cancel));
        GANTRY_CHECK(prove(blob, static_cast<std::int64_t>(text.size()), image::digest_of(text)));
        return text;
    }

    Result<UniqueFd> blob(const CacheBlob& blob, const BlobMoved& moved, const Cancel& cancel) override {
        GANTRY_TRY(UniqueFd file, open_file(scratch_, O_TMPFILE | O_RDWR));
        image::Sha256 hash;
        std::int64_t size = 0;
        auto keep = [&](std::string_view bytes) -> Result<void> {
            GANTRY_CHECK(cancel.check());
            size += static_cast<std::int64_t>(bytes.size());
            if (size > blob.size) return prove(blob, size, "");
            hash.update(bytes);
            moved(size);
            return write_all(file.get(), bytes);
        };
        GANTRY_CHECK(client_.read_cache(index_, cached_blob_path(blob.digest), keep));
        GANTRY_CHECK(prove(blob, size, hash.finish()));
        if (::lseek(file.get(), 0, SEEK_SET) != 0) return fail_errno("read a blob of a cache");
        return file;
    }

private:
    static Result<void> prove(const CacheBlob& blob, std::int64_t size, const std::string& digest) {
        if (size > blob.size)
            return fail(Code::invalid,
                        "blob " + blob.digest + " has more than its " + std::to_string(blob.size) + " bytes");
        if (size < blob.size)
            return fail(Code::invalid, "blob " + blob.digest + " has " + std::to_string(size) + " bytes, not " +
                                           std::to_string(blob.size));
        if (digest != blob.digest) return fail(Code::invalid, "blob " + blob.digest + " has the digest " + digest);
        return {};
    }

    Result<std::string> read_text(const std::string& path, const Cancel& cancel) {
        std::string text;
        auto keep = [&](std::string_view bytes) -> Result<void> {
            GANTRY_CHECK(cancel.check());
            text += bytes;
            if (text.size() > image::max_document_bytes)
                return fail(Code::invalid, "\"" + path + "\" has more than 4 MiB");
            return {};
        };
        GANTRY_CHECK(client_.read_cache(index_, path, keep));
        return text;
    }

    Client& client_;
    const std::size_t index_;
    const std::string scratch_;
};

class LocalCacheTarget final : public CacheTarget {
public:
    LocalCacheTarget(Client& client, std::size_t index, bool fresh)
        : client_(client),
          index_(index),
          fresh_(fresh),
          write_([this](std::string_view bytes) { return client_.write_cache(index_, bytes, false); }),
          tar_(write_) {}

    Result<bool> has(const CacheBlob& blob) override {
        if (written_.contains(blob.digest)) return true;
        if (fresh_) return false;
        if (!there_) {
            // A directory that cannot be read is one that has nothing; writing to it tells what is wrong with it.
            auto listed = client_.list_cache(index_, "blobs/sha256");
            there_ = listed ? std::move(*listed) : std::map<std::string, std::int64_t>();
        }
        auto found = there_->find(cached_blob_path(blob.digest));
        return found != there_->end() && found->second == blob.size;
    }

    Result<void> put(const CacheBlob& blob, int file, const BlobMoved& moved, const Cancel& cancel) override {
        GANTRY_CHECK(open());
        GANTRY_CHECK(tar_.begin(cached_blob_path(blob.digest), blob.size));
        std::vector<char> buffer(256u << 10);
        std::int64_t at = 0;
        while (at < blob.size) {
            GANTRY_CHECK(cancel.check());
            const ssize_t n = ::pread(file, buffer.data(), buffer.size(), at);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return fail_errno("read a layer's blob");
            if (n == 0 || at + n > blob.size) return fail(Code::corrupt, "a layer's blob has changed its size");
            GANTRY_CHECK(write_({buffer.data(), static_cast<std::size_t>(n)}));
            at += n;
            moved(at);
        }
        GANTRY_CHECK(tar_.end(blob.size));
        written_.insert(blob.digest);
        return {};
    }

    // The index comes last: until then the directory is the cache that it was.
    Result<void> finish(const std::string& manifest, const std::string& config, const Cancel& cancel) override {
        GANTRY_CHECK(cancel.check());
        GANTRY_CHECK(open());
        for (const std::string* text : {&config, &manifest})
            GANTRY_CHECK(tar_.file(cached_blob_path(image::digest_of(*text)), *text));
        GANTRY_CHECK(tar_.file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
        GANTRY_CHECK(tar_.file("index.json", write_cache_index(manifest)));
        GANTRY_CHECK(tar_.finish());
        return client_.write_cache(index_, {}, true);
    }

private:
    Result<void> open() {
        if (std::exchange(open_, true)) return {};
        GANTRY_CHECK(tar_.directory("blobs"));
        return tar_.directory("blobs/sha256");
    }

    Client& client_;
    const std::size_t index_;
    const bool fresh_;
    const std::function<Result<void>(std::string_view)> write_;
    PlainTar tar_;
    bool open_ = false;
    std::set<std::string> written_;
    std::optional<std::map<std::string, std::int64_t>> there_;
};

}  // namespace

std::string shown_blob(const CacheBlob& blob) {
    return "layer " + std::string(image::hex_of(blob.digest).substr(0, 12));
}

std::unique_ptr<CacheSource> local_cache_source(Client& client, std::size_t index, std::string scratch) {
    return std::make_unique<LocalCacheSource>(client, index, std::move(scratch));
}

std::unique_ptr<CacheTarget> local_cache_target(Client& client, std::size_t index, bool fresh) {
    return std::make_unique<LocalCacheTarget>(client, index, fresh);
}

}  // namespace gantry::build
