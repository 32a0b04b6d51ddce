#include "core/image/registry/partials.hpp"

#include <gtest/gtest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "core/base/files.hpp"

namespace gantry::image::registry {
namespace {

struct PartialsFixture : ::testing::Test {
    std::string root;
    std::unique_ptr<Partials> partials;
    const std::string digest = "sha256:" + std::string(64, 'a');

    void SetUp() override {
        char name[] = "/tmp/gantry-partials-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        root = name;
        auto opened = Partials::open(root);
        ASSERT_TRUE(opened);
        partials = std::move(*opened);
    }
    void TearDown() override { std::filesystem::remove_all(root); }
    void age(std::int64_t seconds) {
        timespec times[2] = {{::time(nullptr) - seconds, 0}, {::time(nullptr) - seconds, 0}};
        ASSERT_EQ(::utimensat(AT_FDCWD, partials->path_of(digest).c_str(), times, 0), 0);
    }
};

TEST_F(PartialsFixture, AFileIsOneDownloadsAtATimeAndStays) {
    {
        auto fd = partials->take(digest);
        ASSERT_TRUE(fd);
        ASSERT_TRUE(write_all(fd->get(), "half"));
        auto second = partials->take(digest);
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, Code::busy);
    }
    partials->let_go(digest);
    auto again = partials->take(digest);
    ASSERT_TRUE(again);
    EXPECT_EQ(*read_file(partials->path_of(digest)), "half");
}

TEST_F(PartialsFixture, OnlyDigestsBecomeFiles) {
    for (const char* bad : {"sha256:../../x", "sha256:abc", "", "../x"}) EXPECT_FALSE(partials->take(bad)) << bad;
    EXPECT_TRUE(list_directory(root + "/partial")->empty());
}

TEST_F(PartialsFixture, OldFilesGoUnlessSomeoneHasThem) {
    auto fd = partials->take(digest);
    ASSERT_TRUE(fd);
    age(Partials::longest_age_s + 10);
    partials->collect();
    EXPECT_TRUE(path_exists(partials->path_of(digest)));
    partials->let_go(digest);
    age(Partials::longest_age_s - 100);
    partials->collect();
    EXPECT_TRUE(path_exists(partials->path_of(digest)));
    age(Partials::longest_age_s + 10);
    partials->collect();
    EXPECT_FALSE(path_exists(partials->path_of(digest)));
}

}  // namespace
}  // namespace gantry::image::registry
