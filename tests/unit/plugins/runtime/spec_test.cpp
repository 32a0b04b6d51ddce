#include <gtest/gtest.h>

#include "plugins/runtime/native/device_filter.hpp"
#include "plugins/runtime/native/mounts.hpp"
#include "plugins/runtime/native/rootfs.hpp"
#include "plugins/runtime/native/spec.hpp"

using gantry::Json;
using namespace gantry::native;

namespace {

Json minimal() {
    return {{"ociVersion", "1.0.2"},
            {"process", {{"args", {"/x"}}, {"cwd", "/"}}},
            {"linux", {{"namespaces", {{{"type", "mount"}}}}}}};
}

}  // namespace

TEST(NativeSpec, takes_a_minimal_configuration) {
    const auto spec = parse_spec(minimal().dump());
    ASSERT_TRUE(spec) << spec.error().text;
    EXPECT_EQ(spec->process.user.groups, std::vector<gid_t>{0});
}

TEST(NativeSpec, refuses_what_it_cannot_do_and_names_it) {
    const std::pair<const char*, Json> changes[] = {
        {"/hooks", {{"prestart", {{{"path", "/x"}}}}}},
        {"/linux/intelRdt", {{"closID", "x"}}},
        {"/process/apparmorProfile", "x"},
        {"/process/selinuxLabel", "x"},
        {"/linux/unheard", 1},
        {"/linux/resources", {{"rdma", {{"x", 1}}}}},
        {"/linux/cgroupsPath", "/a/../../b"},
        {"/linux/cgroupsPath", "relative"},
        {"/linux/resources", {{"memory", {{"kernel", 4096}}}}},
        {"/process/cwd", "relative"},
        {"/process/args", Json::array()},
        {"/process/args", {1}},
        {"/process/rlimits", {{{"type", "RLIMIT_X"}, {"soft", 1}, {"hard", 1}}}},
        {"/process/rlimits", {{{"type", "RLIMIT_CORE"}, {"soft", 2}, {"hard", 1}}}},
        {"/process/capabilities", {{"bounding", {"CAP_FLY"}}}},
        {"/linux/namespaces", {{{"type", "mount"}}, {{"type", "mount"}}}},
        {"/linux/namespaces", {{{"type", "pid"}}}},
        {"/linux/namespaces", {{{"type", "mount"}}, {{"type", "user"}}}},
        {"/linux/resources", {{"unified", {{"../x", "1"}}}}},
        {"/linux/resources", {{"cpu", {{"cpus", "0;rm"}}}}},
        {"/process/env", {"=x"}},
        {"/hostname", "name"},
        {"/linux/maskedPaths", {"relative"}}};
    for (const auto& [where, value] : changes) {
        Json config = minimal();
        config[Json::json_pointer(where)] = value;
        EXPECT_FALSE(parse_spec(config.dump())) << where << " " << value;
    }
    EXPECT_FALSE(parse_spec("{"));
    EXPECT_FALSE(parse_spec("[]"));
}

TEST(NativeSpec, sorts_mount_options) {
    const auto options =
        parse_mount_options({"/x", "tmpfs", "tmpfs", {"nosuid", "ro", "rw", "size=64k", "rslave", "mode=1777"}});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->data, (FsOptions{"size=64k", "mode=1777"}));
    EXPECT_FALSE(parse_mount_options({"/x", "bind", "/y", {"size=1"}}));
    EXPECT_FALSE(parse_mount_options({"/x", "tmpfs", "tmpfs", {"tmpcopyup"}}));
}

TEST(NativeSpec, escapes_overlay_options_for_old_kernels) {
    const gantry::MountPlan plan{"overlay", "", {}, {"/a/l:1", "/a/l,2"}, "/a/u", "/a/w", {"userxattr"}};
    EXPECT_EQ(overlay_options(plan, ""), "lowerdir=/a/l\\:1:/a/l\\,2,upperdir=/a/u,workdir=/a/w,userxattr");
    EXPECT_EQ(overlay_options(plan, "/a"), "lowerdir=l\\:1:l\\,2,upperdir=u,workdir=w,userxattr");
}

TEST(NativeDevices, begin_with_nothing_and_a_rule_for_all_replaces_what_stands_before) {
    EXPECT_FALSE(device_policy({}).allow_all);
    const std::size_t standard = device_policy({}).rules.size();
    EXPECT_EQ(device_policy({{true, 'c', 10, 229, "rw"}, {false, 'a', -1, -1, "rwm"}}).rules.size(), standard);
    EXPECT_TRUE(device_policy({{true, 'a', -1, -1, "rwm"}}).allow_all);
    EXPECT_EQ(device_policy({{false, 'a', -1, -1, "rwm"}, {true, 'c', 10, 229, "rw"}}).rules.size(), standard + 1);
    EXPECT_GT(device_program(device_policy({})).size(), 20u);
}
