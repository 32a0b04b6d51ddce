#include "core/image/blob_store.hpp"

#include <gtest/gtest.h>

#include "tests/unit/plugins/storage/scratch.hpp"

namespace gantry::image {

TEST(Digest, knows_sha256) {
    EXPECT_EQ(digest_of("abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_TRUE(valid_digest(digest_of("")));
    const std::string hex(64, 'a');
    for (const std::string& bad :
         {std::string("sha256:../../x"), "sha256:" + hex.substr(1), "sha256:" + hex + "a", "sha512:" + hex,
          "SHA256:" + hex, "sha256:" + std::string(64, 'A'), "sha256:" + hex.substr(4) + "/../", std::string(), hex})
        EXPECT_FALSE(valid_digest(bad)) << bad;
}

TEST(Digest, chains_layers) {
    const std::string a = digest_of("a"), b = digest_of("b");
    EXPECT_EQ(chain_id("", a), a);
    EXPECT_EQ(chain_id(a, b), digest_of(a + " " + b));
}

TEST(BlobStore, keeps_bytes_by_their_digest) {
    test::Scratch scratch;
    auto blobs = BlobStore::open(scratch.path());
    ASSERT_TRUE(blobs);
    const std::string digest = digest_of("hello");
    ASSERT_TRUE(blobs->put(digest, "hello"));
    ASSERT_TRUE(blobs->put(digest, "hello"));
    EXPECT_FALSE(blobs->put(digest_of("other"), "hello"));
    EXPECT_EQ(*blobs->read(digest, 100), "hello");
    EXPECT_FALSE(blobs->read(digest, 3));
    EXPECT_FALSE(blobs->read("sha256:../../etc/passwd", 100));
    EXPECT_EQ(blobs->list(), std::vector<std::string>{digest});
    const std::string file = scratch / ("blobs/sha256/" + digest.substr(7, 2) + "/" + digest.substr(7));
    test::write_text(file, "hellO");
    EXPECT_EQ(blobs->read(digest, 100).error().code, Code::corrupt);
    EXPECT_GT(blobs->erase(digest), 0);
    EXPECT_EQ(blobs->erase(digest), 0);
    EXPECT_TRUE(std::filesystem::is_empty(scratch / "tmp"));
}

TEST(BlobStore, a_new_start_clears_what_was_half_written) {
    test::Scratch scratch;
    scratch.make("tmp");
    test::write_text(scratch / "tmp/left", "x");
    ASSERT_TRUE(BlobStore::open(scratch.path()));
    EXPECT_TRUE(std::filesystem::is_empty(scratch / "tmp"));
}

}  // namespace gantry::image
