#include "core/build/cache_mounts.hpp"

#include <chrono>
#include <thread>

#include "scratch.hpp"

namespace gantry::build {
namespace {

struct Caches : ::testing::Test {
    Scratch scratch;
    std::unique_ptr<CacheMounts> caches;
    Cancel cancel;
    void SetUp() override {
        auto opened = CacheMounts::open(scratch / "cache");
        ASSERT_TRUE(opened);
        caches = std::move(*opened);
    }
    static Mount mount(const std::string& id, Mount::Sharing sharing = Mount::Sharing::shared) {
        Mount m;
        m.kind = Mount::Kind::cache;
        m.id = id;
        m.sharing = sharing;
        return m;
    }
    std::string place(const Mount& m) {
        bool fresh = false;
        auto lease = caches->take(m, cancel, &fresh);
        EXPECT_TRUE(lease);
        char path[4096] = {};
        const std::string link = "/proc/self/fd/" + std::to_string(lease->directory());
        EXPECT_GT(::readlink(link.c_str(), path, sizeof path - 1), 0);
        return path;
    }
};

TEST_F(Caches, an_id_is_never_a_path) {
    for (const char* id : {"../../../etc", "/etc", "..", "a/b", "", "."}) {
        const std::string where = place(mount(id));
        EXPECT_TRUE(where.starts_with(scratch / "cache/")) << where;
        EXPECT_TRUE(where.ends_with("/fs")) << where;
    }
    EXPECT_NE(place(mount("a/b")), place(mount("a_b")));
    EXPECT_EQ(place(mount("x")), place(mount("x")));
}

TEST_F(Caches, private_ones_are_apart_and_locked_ones_wait) {
    bool fresh = false;
    auto first = caches->take(mount("p", Mount::Sharing::exclusive), cancel, &fresh);
    ASSERT_TRUE(first);
    EXPECT_TRUE(fresh);
    auto second = caches->take(mount("p", Mount::Sharing::exclusive), cancel, &fresh);
    ASSERT_TRUE(second);
    struct stat a {
    }, b{};
    ::fstat(first->directory(), &a);
    ::fstat(second->directory(), &b);
    EXPECT_NE(a.st_ino, b.st_ino);

    auto locked =
        std::make_unique<Result<CacheMounts::Lease>>(caches->take(mount("l", Mount::Sharing::locked), cancel, &fresh));
    ASSERT_TRUE(*locked);
    std::atomic<bool> got = false;
    std::thread other([&] {
        bool ignored = false;
        auto lease = caches->take(mount("l", Mount::Sharing::locked), cancel, &ignored);
        got = bool(lease);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_FALSE(got);
    locked.reset();
    other.join();
    EXPECT_TRUE(got);
}

TEST_F(Caches, who_waits_can_be_cancelled) {
    bool fresh = false;
    auto held = caches->take(mount("l", Mount::Sharing::locked), cancel, &fresh);
    ASSERT_TRUE(held);
    std::thread other([&] {
        bool ignored = false;
        EXPECT_FALSE(caches->take(mount("l", Mount::Sharing::locked), cancel, &ignored));
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancel.cancel();
    other.join();
}

TEST_F(Caches, one_in_use_is_not_removed) {
    bool fresh = false;
    std::string id;
    {
        auto held = caches->take(mount("x"), cancel, &fresh);
        ASSERT_TRUE(held);
        auto list = caches->list();
        ASSERT_EQ(list.size(), 1u);
        EXPECT_TRUE(list[0].in_use);
        EXPECT_EQ(list[0].name, "x");
        id = list[0].id;
        caches->remove(id);
        EXPECT_TRUE(scratch.exists("cache/" + id));
    }
    caches->remove("../" + id);
    caches->remove(id);
    EXPECT_FALSE(scratch.exists("cache/" + id));
    EXPECT_TRUE(scratch.exists("cache"));
}

TEST_F(Caches, a_new_one_has_the_owner_and_mode_that_was_asked_for) {
    Mount m = mount("o");
    m.mode = 0700;
    bool fresh = false;
    auto lease = caches->take(m, cancel, &fresh);
    ASSERT_TRUE(lease);
    struct stat info {};
    ::fstat(lease->directory(), &info);
    EXPECT_EQ(info.st_mode & 07777, 0700u);
}

}  // namespace
}  // namespace gantry::build
