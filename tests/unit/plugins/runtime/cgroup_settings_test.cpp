#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "plugins/runtime/native/cgroups.hpp"
#include "plugins/runtime/native/spec.hpp"

using gantry::Json;
using namespace gantry::native;

namespace {

std::string text(const gantry::Result<std::vector<Setting>>& settings) {
    std::string out;
    if (!settings) return settings.error().text;
    for (const Setting& s : *settings) out += s.file + "=" + s.value + "\n";
    return out;
}

}  // namespace

TEST(CgroupSettings, translate_for_both_versions) {
    const auto resources =
        parse_resources({{"memory", {{"limit", 1000}, {"swap", 3000}, {"reservation", 500}}},
                         {"cpu", {{"shares", 1024}, {"quota", 50000}, {"period", 100000}}},
                         {"pids", {{"limit", -1}}},
                         {"blockIO", {{"throttleReadBpsDevice", {{{"major", 8}, {"minor", 0}, {"rate", 77}}}}}}},
                        "resources");
    ASSERT_TRUE(resources) << resources.error().text;
    EXPECT_EQ(
        text(v1_settings(*resources)),
        "memory.limit_in_bytes=1000\nmemory.memsw.limit_in_bytes=3000\nmemory.soft_limit_in_bytes=500\ncpu.shares="
        "1024\n"
        "cpu.cfs_period_us=100000\ncpu.cfs_quota_us=50000\npids.max=max\nblkio.throttle.read_bps_device=8:0 77\n");
    EXPECT_EQ(text(v2_settings(*resources)),
              "memory.max=1000\nmemory.swap.max=2000\nmemory.low=500\ncpu.weight=39\ncpu.max=50000 "
              "100000\npids.max=max\nio.max=8:0 rbps=77\n");
}

TEST(CgroupSettings, swap_below_memory_is_refused_on_v2) {
    const auto resources = parse_resources({{"memory", {{"limit", 1000}, {"swap", 900}}}}, "resources");
    ASSERT_TRUE(resources);
    EXPECT_FALSE(v2_settings(*resources));
}

TEST(CgroupLayout, is_read_from_mountinfo) {
    const auto mixed = parse_layout(
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
        "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
        "42 31 0:38 /sub /elsewhere rw - cgroup cgroup rw,memory\n");
    ASSERT_EQ(mixed.v1.size(), 1u);
    EXPECT_EQ(mixed.v1_with("cpuacct"), mixed.v1_with("cpu"));
    EXPECT_EQ(mixed.v1_with("memory"), nullptr);
    EXPECT_EQ(mixed.v2, "/sys/fs/cgroup/unified");
    const auto pure = parse_layout("30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n");
    EXPECT_TRUE(pure.v1.empty());
    EXPECT_EQ(pure.v2, "/sys/fs/cgroup");
}

TEST(CgroupStatistics, count_what_was_killed_for_lack_of_memory) {
    const std::string at = "/tmp/gantry-cgroup-statistics-" + std::to_string(::getpid());
    std::filesystem::create_directories(at);
    std::ofstream(at + "/memory.oom_control") << "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n";
    std::ofstream(at + "/memory.events") << "low 0\nhigh 0\nmax 40\noom 3\noom_kill 1\noom_group_kill 0\n";
    Json old_style = Json::object(), new_style = Json::object();
    v1_stats({"", "", at, "", ""}, old_style);
    v2_stats(at, new_style);
    std::filesystem::remove_all(at);
    EXPECT_EQ(old_style["memory"].value("oom_kill", 0), 2);
    EXPECT_EQ(new_style["memory"].value("oom_kill", 0), 1);
    EXPECT_EQ(new_style["memory"].value("failcnt", 0), 40);
}
