// Content-addressed files: ROOT/blobs/sha256/<2 hex>/<64 hex>, and a directory for what is not one yet.
#pragma once
#include <string>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/image/digest.hpp"

namespace gantry::image {

// A file being written below ROOT/tmp, hashed as it grows; deleted unless it became a blob.
class BlobWriter {
public:
    BlobWriter(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
    BlobWriter(BlobWriter&& other) noexcept;
    BlobWriter& operator=(BlobWriter&&) = delete;
    ~BlobWriter();
    Result<void> write(std::string_view bytes);
    // Ends the hashing; the file stays until the object goes. Gives the digest.
    const std::string& finish();
    // Gives the descriptor back; the file and its digest stay. For writers of which many live at a time.
    void close() { fd_.reset(); }
    // Opens it again where it was closed.
    Result<void> reopen();
    const std::string& path() const { return path_; }
    const std::string& digest() const { return digest_; }
    std::int64_t size() const { return size_; }
    int fd() const { return fd_.get(); }  // -1 while closed

private:
    friend class BlobStore;
    std::string path_, digest_;
    UniqueFd fd_;
    Sha256 hash_;
    std::int64_t size_ = 0;
};

class BlobStore {
public:
    // Makes the directories and deletes what an earlier run left in tmp.
    static Result<BlobStore> open(const std::string& root);

    Result<BlobWriter> writer() const;
    // The finished file becomes a blob, on disk when it returns. Present already is success.
    Result<void> adopt(BlobWriter& file) const;
    // The same for a file elsewhere on this file system, open as `fd`, whose bytes have this digest.
    Result<void> adopt_file(const std::string& path, int fd, const std::string& digest) const;
    bool has(const std::string& digest) const;
    Result<void> put(const std::string& digest, std::string_view bytes) const;
    Result<UniqueFd> open_blob(const std::string& digest) const;
    // The blob whole, `limit` bytes at most; GANTRY_CORRUPT when its bytes do not match its digest.
    Result<std::string> read(const std::string& digest, std::size_t limit) const;
    std::vector<std::string> list() const;
    // Gives the bytes freed; 0 for one that is not there.
    std::int64_t erase(const std::string& digest) const;

private:
    explicit BlobStore(std::string root) : root_(std::move(root)) {}
    std::string path_of(const std::string& digest) const;
    std::string root_;
};

}  // namespace gantry::image
