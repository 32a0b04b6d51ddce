#include "core/image/blob_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gantry/driver.hpp>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"

namespace gantry::image {
namespace {

Result<void> sync_directory(const std::string& path) {
    GANTRY_TRY(UniqueFd fd, open_file(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(fd.get()) != 0) return fail_errno("fsync \"" + path + "\"");
    return {};
}

}  // namespace

BlobWriter::BlobWriter(BlobWriter&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      digest_(std::move(other.digest_)),
      fd_(std::move(other.fd_)),
      hash_(std::move(other.hash_)),
      size_(other.size_) {}

BlobWriter::~BlobWriter() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

Result<void> BlobWriter::write(std::string_view bytes) {
    hash_.update(bytes);
    size_ += static_cast<std::int64_t>(bytes.size());
    return write_all(fd_.get(), bytes);
}

const std::string& BlobWriter::finish() {
    if (digest_.empty()) digest_ = hash_.finish();
    return digest_;
}

Result<void> BlobWriter::reopen() {
    if (fd_) return {};
    GANTRY_TRY(fd_, open_file(path_, O_RDWR | O_NOFOLLOW));
    return {};
}

Result<BlobStore> BlobStore::open(const std::string& root) {
    GANTRY_CHECK(make_directories(root + "/blobs/sha256"));
    GANTRY_CHECK(remove_tree(root + "/tmp"));
    GANTRY_CHECK(make_directories(root + "/tmp"));
    return BlobStore(root);
}

Result<BlobWriter> BlobStore::writer() const {
    const std::string path = root_ + "/tmp/" + new_id();
    GANTRY_TRY(UniqueFd fd, open_file(path, O_RDWR | O_CREAT | O_EXCL));
    return BlobWriter(path, std::move(fd));
}

std::string BlobStore::path_of(const std::string& digest) const {
    const std::string hex(hex_of(digest));
    return root_ + "/blobs/sha256/" + hex.substr(0, 2) + "/" + hex;
}

Result<void> BlobStore::adopt(BlobWriter& file) const {
    const std::string digest = file.finish();
    if (has(digest)) return {};
    const bool closed = file.fd() < 0;
    GANTRY_CHECK(file.reopen());
    ScopeGuard as_before([&] {
        if (closed) file.close();
    });
    return adopt_file(file.path(), file.fd(), digest);
}

Result<void> BlobStore::adopt_file(const std::string& from, int fd, const std::string& digest) const {
    if (!valid_digest(digest)) return fail(Code::invalid, "\"" + digest + "\" is not a sha256 digest");
    const std::string path = path_of(digest);
    if (path_exists(path)) return {};
    const std::string parent = path.substr(0, path.rfind('/'));
    const bool fresh = !path_exists(parent);
    GANTRY_CHECK(make_directories(parent));
    GANTRY_FAILPOINT("image.blob.written");
    if (::fsync(fd) != 0) return fail_errno("fsync \"" + from + "\"");
    // A link, not a rename: the file goes on under its first name until its writer is done with it.
    if (::link(from.c_str(), path.c_str()) != 0 && errno != EEXIST && !path_exists(path))
        return fail_errno("link \"" + path + "\"");
    GANTRY_CHECK(sync_directory(parent));
    return fresh ? sync_directory(root_ + "/blobs/sha256") : Result<void>();
}

bool BlobStore::has(const std::string& digest) const { return valid_digest(digest) && path_exists(path_of(digest)); }

Result<void> BlobStore::put(const std::string& digest, std::string_view bytes) const {
    GANTRY_TRY(BlobWriter file, writer());
    GANTRY_CHECK(file.write(bytes));
    if (file.finish() != digest) return fail(Code::invalid, "\"" + digest + "\" is the digest of other bytes");
    return adopt(file);
}

Result<UniqueFd> BlobStore::open_blob(const std::string& digest) const {
    if (!valid_digest(digest)) return fail(Code::invalid, "\"" + digest + "\" is not a sha256 digest");
    return open_file(path_of(digest), O_RDONLY | O_NOFOLLOW);
}

Result<std::string> BlobStore::read(const std::string& digest, std::size_t limit) const {
    GANTRY_TRY(UniqueFd fd, open_blob(digest));
    GANTRY_TRY(std::string bytes, read_all(fd.get(), limit));
    if (digest_of(bytes) != digest) return fail(Code::corrupt, "blob \"" + digest + "\" is damaged");
    return bytes;
}

std::vector<std::string> BlobStore::list() const {
    std::vector<std::string> digests;
    auto folders = list_directory(root_ + "/blobs/sha256");
    if (!folders) return digests;
    for (const std::string& folder : *folders)
        if (auto names = list_directory(root_ + "/blobs/sha256/" + folder))
            for (const std::string& name : *names)
                if (valid_digest("sha256:" + name)) digests.push_back("sha256:" + name);
    return digests;
}

std::int64_t BlobStore::erase(const std::string& digest) const {
    if (!valid_digest(digest)) return 0;
    const std::string path = path_of(digest);
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0 || ::unlink(path.c_str()) != 0) return 0;
    return static_cast<std::int64_t>(info.st_blocks) * 512;
}

}  // namespace gantry::image
