#include "core/container/user_lookup.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/base/files.hpp"

namespace gantry::container {
namespace {

// A root file system with the users of a small distribution, and some that are traps.
class UserLookup : public testing::Test {
protected:
    void SetUp() override {
        root_ = testing::TempDir() + "users." + std::to_string(::getpid());
        ASSERT_TRUE(make_directories(root_ + "/etc"));
        put("/etc/passwd",
            "root:x:0:0::/root:/bin/sh\nwww:x:33:33::/var/www:/bin/sh\n1000:x:0:0::/trap:/bin/sh\nbig:x:4294967296:0::/"
            ":/bin/sh\n\nbroken line\n");
        put("/etc/group", "root:x:0:\nwww:x:33:\nadm:x:4:www,root\nvideo:x:44:www\n");
        fd_ = UniqueFd(::open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    void TearDown() override { EXPECT_TRUE(remove_tree(root_)); }
    void put(const std::string& path, const std::string& text) { ASSERT_TRUE(write_file(root_ + path, text, 0644)); }
    std::string root_;
    UniqueFd fd_;
};

TEST_F(UserLookup, no_user_is_root_with_its_groups) {
    auto user = look_up_user(fd_.get(), "", {});
    ASSERT_TRUE(user);
    EXPECT_EQ(user->uid, 0u);
    EXPECT_EQ(user->home, "/root");
    EXPECT_EQ(user->groups, (std::vector<std::uint32_t>{0, 4}));
}

TEST_F(UserLookup, a_name_brings_its_groups_and_the_primary_one) {
    auto user = look_up_user(fd_.get(), "www", {"44", "root"});
    ASSERT_TRUE(user);
    EXPECT_EQ(user->uid, 33u);
    EXPECT_EQ(user->groups, (std::vector<std::uint32_t>{0, 4, 33, 44}));
}

TEST_F(UserLookup, digits_are_an_id_and_never_a_name) {
    auto user = look_up_user(fd_.get(), "1000", {});
    ASSERT_TRUE(user);
    EXPECT_EQ(user->uid, 1000u);
    EXPECT_EQ(user->gid, 0u);
    EXPECT_EQ(user->home, "/");
}

TEST_F(UserLookup, an_own_group_replaces_the_looked_up_ones) {
    auto user = look_up_user(fd_.get(), "www:adm", {});
    ASSERT_TRUE(user);
    EXPECT_EQ(user->gid, 4u);
    EXPECT_EQ(user->groups, (std::vector<std::uint32_t>{4}));
}

TEST_F(UserLookup, strange_strings_are_refused_and_never_root) {
    for (const char* text : {"2147483648", "4294967295", "4294967296", "-1", "1:", ":1", " 0", "0x1", "+1", "nobody",
                             "www:nogroup", "big", "\xd9\xa1"}) {
        auto user = look_up_user(fd_.get(), text, {});
        EXPECT_FALSE(user) << "\"" << text << "\" became " << (user ? user->uid : 0);
    }
}

TEST_F(UserLookup, a_file_that_is_none_is_not_read) {
    ASSERT_EQ(::unlink((root_ + "/etc/passwd").c_str()), 0);
    ASSERT_EQ(::mkfifo((root_ + "/etc/passwd").c_str(), 0644), 0);
    EXPECT_FALSE(look_up_user(fd_.get(), "0", {}));
    ASSERT_EQ(::unlink((root_ + "/etc/passwd").c_str()), 0);
    ASSERT_EQ(::symlink("/dev/zero", (root_ + "/etc/passwd").c_str()), 0);
    auto user = look_up_user(fd_.get(), "0", {});  // inside this root there is no /dev/zero
    ASSERT_TRUE(user);
    EXPECT_EQ(user->uid, 0u);
}

TEST_F(UserLookup, a_huge_file_is_not_read) {
    ASSERT_EQ(::truncate((root_ + "/etc/group").c_str(), off_t{4} << 30), 0);
    EXPECT_FALSE(look_up_user(fd_.get(), "www", {}));
}

TEST_F(UserLookup, a_link_leads_nowhere_outside) {
    ASSERT_EQ(::unlink((root_ + "/etc/passwd").c_str()), 0);
    ASSERT_EQ(::symlink("../../../../../../etc/hostname", (root_ + "/etc/passwd").c_str()), 0);
    auto user = look_up_user(fd_.get(), "0", {});
    ASSERT_TRUE(user);
    EXPECT_EQ(user->home, "/");
}

}  // namespace
}  // namespace gantry::container
