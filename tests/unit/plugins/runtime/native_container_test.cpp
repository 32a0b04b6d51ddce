#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "driver_under_test.hpp"

using gantry::Json;
using gantry::UniqueFd;
using gantry::test::Box;
using gantry::test::drain;
using gantry::test::host_mounts;
using gantry::test::read_text;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

std::string namespace_of(const std::string& process, const char* kind) {
    return std::filesystem::read_symlink("/proc/" + process + "/ns/" + kind);
}

bool cgroup_exists(const std::string& path) {
    for (const auto& entry : std::filesystem::directory_iterator("/sys/fs/cgroup"))
        if (std::filesystem::exists(entry.path().string() + path)) return true;
    return std::filesystem::exists("/sys/fs/cgroup" + path);
}

}  // namespace

TEST(NativeContainer, runs_a_program_and_gives_its_status_and_output) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.command("echo hello; hostname; exit 7");
    EXPECT_EQ(box.run(), "hello\nbox\n");
    EXPECT_EQ(box.status, 7);
}

TEST(NativeContainer, runs_on_an_overlay_and_keeps_the_lower_layer_clean) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.overlay();
    box.command("cat /etc/second; echo new > /etc/new; touch /root/x && echo written");
    EXPECT_EQ(box.run(), "second layer\nwritten\n");
    EXPECT_EQ(box.status, 0);
    EXPECT_TRUE(std::filesystem::exists(box.directory + "/upper/etc/new"));
    EXPECT_FALSE(std::filesystem::exists(box.root + "/etc/new"));
}

TEST(NativeContainer, has_namespaces_of_its_own_and_the_host_sees_no_mount_of_it) {
    SKIP_UNLESS_ROOT();
    const std::string before = host_mounts();
    Box box;
    box.overlay();
    box.command("sleep 60");
    ASSERT_TRUE(box.create().ok());
    ASSERT_TRUE(box.start().ok());
    for (const char* kind : {"mnt", "pid", "ipc", "uts", "net", "cgroup"})
        EXPECT_NE(namespace_of(std::to_string(box.pid), kind), namespace_of("self", kind)) << kind;
    EXPECT_EQ(namespace_of(std::to_string(box.pid), "user"), namespace_of("self", "user"));
    EXPECT_EQ(host_mounts(), before);
    EXPECT_TRUE(box.remove().ok());
    EXPECT_EQ(box.wait(box.pid), 128 + SIGKILL);
    EXPECT_EQ(host_mounts(), before);
    EXPECT_FALSE(cgroup_exists(box.cgroup()));
    EXPECT_FALSE(cgroup_exists(Box::cgroup_parent()));
    EXPECT_TRUE(box.remove().ok());
}

TEST(NativeContainer, sees_only_its_own_mounts_devices_and_processes) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.command("cat /proc/self/mountinfo | wc -l; ls /dev; ls -d /proc/[0-9]*; ls /sys/fs/cgroup; cat /proc/1/cgroup");
    const std::string out = box.run();
    EXPECT_THAT(
        out, HasSubstr("fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n"));
    EXPECT_THAT(out, HasSubstr("zero\n/proc/1\n")) << "one process, itself";
    EXPECT_THAT(out, HasSubstr("cpu\ncpuacct\ndevices\nmemory\npids\n"));
    EXPECT_THAT(out, HasSubstr("memory:/\n")) << "its cgroup is the root of what it sees";
}

TEST(NativeContainer, joins_the_cgroups_with_its_limits) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.config["linux"]["resources"] = {{"pids", {{"limit", 33}}},
                                        {"memory", {{"limit", 64 << 20}, {"swap", 64 << 20}}},
                                        {"cpu", {{"shares", 512}, {"quota", 50000}, {"period", 100000}}}};
    box.command("sleep 60");
    ASSERT_TRUE(box.create().ok());
    const std::string groups = read_text("/proc/" + std::to_string(box.pid) + "/cgroup");
    for (const char* controller : {"cpu:", "memory:", "pids:", "devices:", "cpuacct:"})
        EXPECT_THAT(groups, HasSubstr(std::string(controller) + box.cgroup()));
    EXPECT_THAT(groups, HasSubstr("0::" + box.cgroup()));
    EXPECT_EQ(read_text("/sys/fs/cgroup/pids" + box.cgroup() + "/pids.max"), "33\n");
    EXPECT_EQ(read_text("/sys/fs/cgroup/memory" + box.cgroup() + "/memory.limit_in_bytes"), "67108864\n");
    EXPECT_EQ(read_text("/sys/fs/cgroup/cpu" + box.cgroup() + "/cpu.cfs_quota_us"), "50000\n");
    ASSERT_TRUE(box.start().ok());
    auto* update = box.driver.ability<gantry_runtime_update>(GANTRY_RUNTIME_UPDATE);
    const auto reply = box.driver.call(
        update->update,
        {{"id", box.id},
         {"resources", {{"pids", {{"limit", 44}}}, {"memory", {{"limit", 128 << 20}, {"swap", 256 << 20}}}}}});
    EXPECT_TRUE(reply.ok()) << reply.message();
    EXPECT_EQ(read_text("/sys/fs/cgroup/pids" + box.cgroup() + "/pids.max"), "44\n");
    EXPECT_EQ(read_text("/sys/fs/cgroup/memory" + box.cgroup() + "/memory.limit_in_bytes"), "134217728\n");
    auto* stats = box.driver.ability<gantry_runtime_stats>(GANTRY_RUNTIME_STATS);
    const auto figures = box.driver.call(stats->stats, {{"id", box.id}});
    ASSERT_TRUE(figures.ok());
    EXPECT_EQ(figures.body["cgroup_version"], 1);
    EXPECT_GE(figures.body["pids"]["current"], 1);
    EXPECT_EQ(figures.body["pids"]["limit"], 44);
    EXPECT_GT(figures.body["cpu"]["usage_ns"], 0);
    EXPECT_GT(figures.body["memory"]["stats"].size(), 5u);
    const auto pids = box.driver.call(stats->pids, {{"id", box.id}});
    EXPECT_THAT(pids.body["pids"].get<std::vector<int>>(), ::testing::Contains(box.pid));
}

TEST(NativeContainer, stands_still_when_paused) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.command("while true; do echo x >> /tmp/x; sleep 0.01; done");
    ASSERT_TRUE(box.create().ok());
    ASSERT_TRUE(box.start().ok());
    auto* pause = box.driver.ability<gantry_runtime_pause>(GANTRY_RUNTIME_PAUSE);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const auto size = [&] { return std::filesystem::file_size(box.root + "/tmp/x"); };
    ASSERT_TRUE(box.driver.call(pause->pause, {{"id", box.id}}).ok());
    const auto then = size();
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    EXPECT_EQ(size(), then);
    EXPECT_TRUE(box.driver.call(pause->pause, {{"id", box.id}}).ok());
    ASSERT_TRUE(box.driver.call(pause->resume, {{"id", box.id}}).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    EXPECT_GT(size(), then);
    ASSERT_TRUE(box.driver.call(pause->pause, {{"id", box.id}}).ok());
    EXPECT_TRUE(box.remove().ok()) << "a paused container can be removed";
}

TEST(NativeContainer, words_exec_failures_as_docker_does) {
    SKIP_UNLESS_ROOT();
    struct Case {
        std::vector<std::string> arguments;
        gantry_status status;
        std::string text;
        int exit;
    };
    const Case cases[] = {
        {{"nonesuch"}, GANTRY_NOT_FOUND, "exec: \"nonesuch\": executable file not found in $PATH", 127},
        {{"/bin/nonesuch"},
         GANTRY_NOT_FOUND,
         "exec: \"/bin/nonesuch\": stat /bin/nonesuch: no such file or directory",
         127},
        {{"/etc/plain"}, GANTRY_DENIED, "exec: \"/etc/plain\": permission denied", 126},
        {{"/etc"}, GANTRY_DENIED, "exec: \"/etc\": is a directory", 126},
        {{"/etc/garbage"}, GANTRY_INVALID, "exec: \"/etc/garbage\": exec format error", 126}};
    for (const Case& c : cases) {
        Box box;
        std::ofstream(box.root + "/etc/plain") << "text";
        std::ofstream(box.root + "/etc/garbage") << "\x01\x02 garbage";
        ::chmod((box.root + "/etc/garbage").c_str(), 0755);
        box.config["process"]["args"] = c.arguments;
        ASSERT_TRUE(box.create().ok());
        const auto reply = box.start();
        EXPECT_EQ(reply.status, c.status) << reply.message();
        EXPECT_EQ(reply.message(), c.text);
        EXPECT_GT(reply.body["detail"]["errno"], 0);
        EXPECT_EQ(box.wait(box.pid), c.exit);
    }
}

TEST(NativeContainer, gives_a_terminal_of_its_own_devpts) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.config["process"]["consoleSize"] = {{"height", 33}, {"width", 77}};
    box.command("tty; stty size; ls -l /dev/console; stat -f -c %T /dev/console; echo to-console > /dev/console");
    auto created = box.create(true);
    ASSERT_TRUE(created.ok()) << created.message();
    ASSERT_TRUE(created.fds.contains("terminal"));
    ASSERT_TRUE(box.start().ok());
    const std::string out = drain(created.fds["terminal"].get());
    EXPECT_THAT(out, HasSubstr("/dev/pts/0"));
    EXPECT_THAT(out, HasSubstr("33 77"));
    EXPECT_THAT(out, HasSubstr("to-console"));
    EXPECT_EQ(box.wait(box.pid), 0);
}

TEST(NativeContainer, reaps_and_forwards_as_init) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.config["annotations"] = {{"gantry.init", "1"}};
    box.command(
        "trap 'echo got; exit 5' TERM; (sleep 0.05 &) ; cat /proc/1/comm; echo $$; while true; do sleep 0.05; done");
    ASSERT_TRUE(box.create().ok());
    ASSERT_TRUE(box.start().ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
    auto* stats = box.driver.ability<gantry_runtime_stats>(GANTRY_RUNTIME_STATS);
    const Json pids = box.driver.call(stats->pids, {{"id", box.id}}).body["pids"];
    for (const int pid : pids)
        EXPECT_THAT(read_text("/proc/" + std::to_string(pid) + "/stat"), Not(HasSubstr(") Z "))) << "no zombie is left";
    ASSERT_TRUE(
        box.driver.call(box.driver.runtime()->signal, {{"id", box.id}, {"signal", SIGTERM}, {"all", false}}).ok());
    EXPECT_EQ(box.wait(box.pid), 5);
    EXPECT_THAT(box.output(), HasSubstr("gantry-init\n2\n"));
}

TEST(NativeContainer, binds_what_a_descriptor_points_to) {
    SKIP_UNLESS_ROOT();
    Box box;
    std::filesystem::create_directories(box.directory + "/volume/below");
    std::ofstream(box.directory + "/hosts") << "127.0.0.1 localhost\n";
    box.config["mounts"].push_back({{"destination", "/data/deep"},
                                    {"type", "bind"},
                                    {"source", "a volume"},
                                    {"options", {"rbind", "rprivate", "rro"}}});
    box.config["mounts"].push_back(
        {{"destination", "/etc/hosts"}, {"type", "bind"}, {"source", "hosts"}, {"options", {"bind", "rprivate"}}});
    const UniqueFd volume(::open((box.directory + "/volume").c_str(), O_PATH | O_CLOEXEC)),
        hosts(::open((box.directory + "/hosts").c_str(), O_PATH | O_CLOEXEC));
    box.command("cat /etc/hosts; ls /data/deep; touch /data/deep/x");
    ASSERT_TRUE(box.create(false, {{"mount:7", volume.get()}, {"mount:8", hosts.get()}}).ok());
    ASSERT_TRUE(box.start().ok());
    EXPECT_EQ(box.output(), "127.0.0.1 localhost\nbelow\ntouch: /data/deep/x: Read-only file system\n");
}

TEST(NativeContainer, leaves_nothing_after_a_failed_create) {
    SKIP_UNLESS_ROOT();
    const std::string before = host_mounts();
    Box box;
    box.config["mounts"].push_back({{"destination", "/data"}, {"type", "nonesuch"}, {"source", "x"}});
    const auto reply = box.create();
    EXPECT_EQ(reply.status, GANTRY_UNSUPPORTED);
    EXPECT_THAT(reply.message(), HasSubstr("nonesuch"));
    EXPECT_FALSE(cgroup_exists(box.cgroup()));
    EXPECT_EQ(host_mounts(), before);
}

TEST(NativeContainer, clamps_what_the_machine_does_not_allow_and_says_so) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.config["process"]["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 2000000000}, {"hard", 2000000000}}};
    box.config["process"]["capabilities"]["bounding"].push_back("CAP_SYS_RESOURCE");
    box.config["process"]["capabilities"]["permitted"].push_back("CAP_SYS_RESOURCE");
    box.command("ulimit -n");
    const std::string out = box.run();
    EXPECT_GT(std::stol(out), 0);
    EXPECT_LT(std::stol(out), 2000000000);
    EXPECT_FALSE(box.driver.log.empty());
}

TEST(NativeContainer, is_swept_away_by_a_driver_that_did_not_make_it) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.command("sleep 100 & sleep 100");
    ASSERT_TRUE(box.create().ok());
    ASSERT_TRUE(box.start().ok());
    gantry::test::DriverUnderTest other(box.directory + "/other");
    EXPECT_EQ(other.call(other.runtime()->remove, {{"id", box.id}, {"cgroup_path", "/../" + box.id}}).status,
              GANTRY_INVALID);
    EXPECT_TRUE(cgroup_exists(box.cgroup()));
    const auto swept = other.call(other.runtime()->remove, {{"id", box.id}, {"cgroup_path", box.cgroup()}});
    EXPECT_TRUE(swept.ok()) << swept.message();
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(box.pid), &info, WEXITED | WNOHANG | WNOWAIT), 0);
    EXPECT_EQ(info.si_pid, box.pid) << "it still runs";
    EXPECT_FALSE(cgroup_exists(box.cgroup()));
    EXPECT_TRUE(other.call(other.runtime()->remove, {{"id", box.id}, {"cgroup_path", box.cgroup()}}).ok())
        << "nothing left is success";
}
