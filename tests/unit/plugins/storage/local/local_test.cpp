// The volume driver "local" as the engine uses it.
#include <gtest/gtest.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include <gantry/driver.hpp>

#include "tests/unit/plugins/storage/one_driver.hpp"

namespace gantry {
namespace {

using test::content_of;

struct LocalVolume : ::testing::Test {
    test::Scratch scratch;
    std::unique_ptr<driver::Registry> registry;
    std::shared_ptr<driver::Driver> volumes;

    void SetUp() override {
        REQUIRE_ROOT();
        registry = test::registry_with(scratch, "local");
        auto found = registry->get(driver::Kind::volume, "local");
        ASSERT_TRUE(found) << found.error().text;
        volumes = *found;
    }
    void TearDown() override {
        if (!volumes) return;
        const Json volumes_left = call("list", Json::object())->result["volumes"];
        for (const auto& name : volumes_left) ::umount2(data(name.get<std::string>()).c_str(), MNT_DETACH);
    }
    std::string data(const std::string& name) const {
        return scratch / ("root/drivers/local/volumes/" + name + "/_data");
    }
    Result<driver::Reply> call(const char* operation, Json request) {
        return volumes->call("volume/1", operation, std::move(request));
    }
    static Json volume(const std::string& name, Json options = Json::object()) {
        return {{"volume", {{"id", name}, {"name", name}, {"generation", 1}, {"options", std::move(options)}}}};
    }
    UniqueFd publish(const std::string& name, const std::string& consumer, bool read_only = false) {
        Json request = volume(name);
        request["consumer"] = consumer;
        request["read_only"] = read_only;
        auto reply = call("publish", std::move(request));
        EXPECT_TRUE(reply) << reply.error().text;
        return reply ? reply->take_fd("mount") : UniqueFd();
    }
    void unpublish(const std::string& name, const std::string& consumer) {
        Json request = volume(name);
        request["consumer"] = consumer;
        ASSERT_TRUE(call("unpublish", std::move(request)));
    }
    static bool write_into(const UniqueFd& directory, const std::string& name, const std::string& text) {
        UniqueFd file(::openat(directory.get(), name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
    }
};

}  // namespace

TEST_F(LocalVolume, keeps_data_until_it_is_removed) {
    auto made = call("ensure", volume("v"));
    ASSERT_TRUE(made) << made.error().text;
    EXPECT_EQ(made->result["path"], data("v"));
    ASSERT_TRUE(call("ensure", volume("v")));
    {
        UniqueFd mount = publish("v", "c1");
        ASSERT_TRUE(write_into(mount, "file", "kept"));
    }
    EXPECT_EQ(content_of(data("v") + "/file"), "kept");
    EXPECT_EQ(call("remove", volume("v")).error().code, Code::busy);
    unpublish("v", "c1");
    unpublish("v", "c1");
    ASSERT_TRUE(call("remove", volume("v")));
    ASSERT_TRUE(call("remove", volume("v")));
    EXPECT_EQ(call("inspect", volume("v"))->result["state"], "absent");
    EXPECT_FALSE(test::is_there(scratch / "root/drivers/local/volumes/v"));
}

TEST_F(LocalVolume, a_read_only_publication_cannot_be_written) {
    ASSERT_TRUE(call("ensure", volume("v")));
    UniqueFd writable = publish("v", "c1"), readable = publish("v", "c2", true);
    EXPECT_TRUE(write_into(writable, "f", "x"));
    EXPECT_FALSE(write_into(readable, "g", "x"));
    EXPECT_EQ(errno, EROFS);
    UniqueFd file(::openat(readable.get(), "f", O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(file);
}

TEST_F(LocalVolume, other_options_for_a_volume_that_is_there_are_a_conflict) {
    ASSERT_TRUE(call("ensure", volume("v")));
    EXPECT_EQ(call("ensure", volume("v", {{"type", "tmpfs"}, {"device", "tmpfs"}})).error().code, Code::conflict);
}

TEST_F(LocalVolume, a_tmpfs_is_shared_while_used_and_gone_after) {
    ASSERT_TRUE(
        call("ensure", volume("t", {{"type", "tmpfs"}, {"device", "tmpfs"}, {"o", "size=1m,mode=1770,uid=5,nosuid"}})));
    {
        UniqueFd first = publish("t", "c1"), second = publish("t", "c2", true);
        ASSERT_TRUE(write_into(first, "f", "shared"));
        struct statfs info {};
        ::fstatfs(first.get(), &info);
        EXPECT_EQ(static_cast<std::uint64_t>(info.f_blocks) * static_cast<std::uint64_t>(info.f_bsize), 1u << 20);
        EXPECT_TRUE(info.f_flags & ST_NOSUID);
        struct stat root {};
        ::fstat(first.get(), &root);
        EXPECT_EQ(root.st_mode & 07777u, 01770u);
        EXPECT_EQ(root.st_uid, 5u);
        EXPECT_TRUE(UniqueFd(::openat(second.get(), "f", O_RDONLY | O_CLOEXEC)));
        EXPECT_FALSE(write_into(second, "g", "x"));
    }
    unpublish("t", "c1");
    EXPECT_TRUE(test::is_there(data("t") + "/f"));
    unpublish("t", "c2");
    EXPECT_FALSE(test::is_there(data("t") + "/f"));
    EXPECT_EQ(content_of("/proc/self/mountinfo").find(data("t")), std::string::npos);
    ASSERT_TRUE(call("remove", volume("t")));
}

TEST_F(LocalVolume, a_bind_volume_shows_the_device) {
    scratch.make("host");
    test::write_text(scratch / "host/file", "host");
    ASSERT_TRUE(call("ensure", volume("b", {{"type", "none"}, {"o", "bind,ro"}, {"device", scratch / "host"}})));
    {
        UniqueFd mount = publish("b", "c1");
        EXPECT_TRUE(UniqueFd(::openat(mount.get(), "file", O_RDONLY | O_CLOEXEC)));
        EXPECT_FALSE(write_into(mount, "new", "x"));
    }
    unpublish("b", "c1");
    ASSERT_TRUE(call("remove", volume("b")));
    EXPECT_EQ(content_of(scratch / "host/file"), "host") << "the device is not the volume's to delete";
}

TEST_F(LocalVolume, refuses_what_it_does_not_offer_and_says_what_it_does) {
    struct Case {
        Json options;
        Code code;
        const char* says;
    };
    for (const Case& c :
         {Case{{{"type", "nfs"}, {"device", ":/x"}, {"o", "addr=10.0.0.1"}}, Code::unsupported, "tmpfs"},
          Case{{{"type", "overlay"}, {"device", "overlay"}, {"o", "lowerdir=/"}}, Code::unsupported, "tmpfs"},
          Case{{{"type", "tmpfs"}, {"device", "tmpfs"}, {"o", "size=1m,lowerdir=/"}}, Code::unsupported, "lowerdir=/"},
          Case{{{"type", "tmpfs"}, {"o", "size=1m"}}, Code::invalid, "device"},
          Case{{{"type", "none"}, {"o", "bind"}, {"device", "relative"}}, Code::invalid, "relative"}}) {
        auto reply = call("ensure", volume("x", c.options));
        ASSERT_FALSE(reply);
        EXPECT_EQ(reply.error().code, c.code) << reply.error().text;
        EXPECT_NE(reply.error().text.find(c.says), std::string::npos) << reply.error().text;
    }
    for (const char* name : {"../x", "a/b", "", ".", "-x"}) EXPECT_FALSE(call("ensure", volume(name))) << name;
}

TEST_F(LocalVolume, a_value_cannot_smuggle_in_a_second_option) {
    ASSERT_TRUE(call("ensure", volume("t", {{"type", "tmpfs"}, {"device", "x,mode=0777"}, {"o", "mode=0700"}})));
    UniqueFd mount = publish("t", "c1");
    struct stat root {};
    ::fstat(mount.get(), &root);
    EXPECT_EQ(root.st_mode & 0777u, 0700u);
    unpublish("t", "c1");
}

TEST_F(LocalVolume, a_missing_device_fails_when_it_is_used_and_leaves_no_user) {
    ASSERT_TRUE(call("ensure", volume("b", {{"type", "none"}, {"o", "bind"}, {"device", scratch / "absent"}})));
    Json request = volume("b");
    request["consumer"] = "c1";
    auto reply = call("publish", request);
    ASSERT_FALSE(reply);
    EXPECT_NE(reply.error().text.find("absent"), std::string::npos);
    EXPECT_TRUE(call("remove", volume("b")));
}

}  // namespace gantry
