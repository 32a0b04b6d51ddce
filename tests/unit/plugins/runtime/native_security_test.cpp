// Cases of the security catalogue that a runtime must hold by itself; the numbers are the catalogue's.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "driver_under_test.hpp"

using gantry::Json;
using gantry::UniqueFd;
using gantry::test::Box;
using gantry::test::read_text;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

constexpr const char* core_pattern = "/proc/sys/kernel/core_pattern";

int refused(Box& box) {
    const auto reply = box.create();
    if (!reply.ok()) return reply.status;
    return box.start().status;
}

}  // namespace

TEST(NativeSecurity, s01_init_is_out_of_the_containers_reach) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.config["annotations"] = {{"gantry.init", "1"}};
    box.command(
        "cat /proc/1/exe > /dev/null && echo readable; echo x >> /proc/1/exe; ls /proc/1/fd; readlink /proc/1/exe; "
        "echo done");
    const std::string out = box.run();
    EXPECT_THAT(out, HasSubstr("done"));
    EXPECT_THAT(out, HasSubstr("/proc/1/exe: Permission denied"));
    EXPECT_THAT(out, Not(HasSubstr("readable")));
}

TEST(NativeSecurity, s02_working_directory_by_descriptor_number_is_refused) {
    SKIP_UNLESS_ROOT();
    for (int number = 0; number < 24; ++number) {
        Box box;
        box.config["process"]["cwd"] = "/proc/self/fd/" + std::to_string(number);
        box.command("echo escaped");
        EXPECT_NE(refused(box), GANTRY_OK) << number;
    }
    Box box;
    std::filesystem::create_symlink("/proc/self/fd/7", box.root + "/link");
    box.command("sleep 60");
    ASSERT_TRUE(box.create().ok());
    ASSERT_TRUE(box.start().ok());
    for (int number = 0; number < 24; ++number) {
        Json process = box.config["process"];
        process["cwd"] = number == 7 ? "/link" : "/proc/self/fd/" + std::to_string(number);
        EXPECT_FALSE(box.exec_process(process).ok()) << number;
    }
}

TEST(NativeSecurity, s02_workload_and_created_process_hold_no_descriptor_but_stdio) {
    SKIP_UNLESS_ROOT();
    const UniqueFd leak(::open("/", O_RDONLY | O_DIRECTORY));  // not close-on-exec, on purpose
    Box box;
    box.command("sleep 60");
    ASSERT_TRUE(box.create().ok());
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(box.pid) + "/fd")) {
        ++count;
        const std::string target = std::filesystem::read_symlink(entry.path());
        EXPECT_TRUE(target.starts_with("pipe:") || target.starts_with("socket:") || target.starts_with("/dev/null"))
            << target;
    }
    EXPECT_EQ(count, 4u) << "three streams and the channel";
    ASSERT_TRUE(box.start().ok());
    const auto reply = box.exec("ls /proc/self/fd; ls /proc/1/fd");
    ASSERT_TRUE(reply.ok());
    EXPECT_EQ(box.exec_output(), "0\n1\n2\n3\n0\n1\n2\n") << "3 is the directory that ls reads";
}

TEST(NativeSecurity, s05_s09_null_device_of_the_image_is_never_used) {
    SKIP_UNLESS_ROOT();
    const std::string before = read_text(core_pattern);
    Box box;
    std::filesystem::create_symlink(core_pattern, box.root + "/dev/null");
    box.command("stat -c '%F %t:%T' /dev/null /proc/interrupts; echo x > /proc/keys; cat /proc/keys | wc -c");
    const std::string out = box.run();
    EXPECT_THAT(out, HasSubstr("character special file 1:3\ncharacter special file 1:3\n0\n"));
    EXPECT_EQ(read_text(core_pattern), before);
}

TEST(NativeSecurity, s07_nothing_is_mounted_over_proc_or_sys) {
    SKIP_UNLESS_ROOT();
    for (const char* destination :
         {"/proc", "/proc/self/attr", "/proc/sys", "/proc/../proc", "/proc/sys/kernel", "/sys", "/", "/sneaky"}) {
        for (const char* type : {"tmpfs", "bind"}) {
            Box box;
            std::filesystem::create_directories(box.directory + "/volume");
            std::filesystem::create_symlink("/proc/sys", box.root + "/sneaky");
            const UniqueFd volume(::open((box.directory + "/volume").c_str(), O_PATH | O_CLOEXEC));
            box.config["mounts"].push_back({{"destination", destination}, {"type", type}, {"source", "x"}});
            const auto reply = box.create(false, {{"mount:7", volume.get()}});
            EXPECT_FALSE(reply.ok()) << type << " on " << destination;
        }
    }
    for (const char* link : {"proc", "sys", "dev"}) {
        Box box;
        std::filesystem::remove(box.root + "/" + link);
        std::filesystem::create_directories(box.root + "/elsewhere");
        std::filesystem::create_symlink("/elsewhere", box.root + "/" + link);
        EXPECT_NE(refused(box), GANTRY_OK) << link;
        EXPECT_TRUE(std::filesystem::is_empty(box.root + "/elsewhere"));
    }
}

TEST(NativeSecurity, s07_status_is_what_the_configuration_says) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.config["process"]["noNewPrivileges"] = true;
    box.config["linux"]["seccomp"] = {
        {"defaultAction", "SCMP_ACT_ALLOW"},
        {"architectures", {"SCMP_ARCH_X86_64"}},
        {"syscalls", {{{"names", {"mkdir", "mkdirat"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 13}}}}};
    box.command("grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; mkdir /tmp/x");
    const std::string out = box.run();
    EXPECT_THAT(out,
                HasSubstr("CapInh:\t0000000000000000\nCapPrm:\t00000000800405fb\nCapEff:\t00000000800405fb\nCapBnd:"
                          "\t00000000800405fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"));
    EXPECT_THAT(out, HasSubstr("mkdir: can't create directory '/tmp/x': Permission denied"));
}

TEST(NativeSecurity, s08_destinations_behind_links_stay_inside_the_root) {
    SKIP_UNLESS_ROOT();
    Box box;
    std::filesystem::create_directories(box.directory + "/marker");
    std::filesystem::create_symlink(box.directory + "/marker", box.root + "/out");
    std::filesystem::create_symlink("../../../../../../.." + box.directory + "/marker", box.root + "/up");
    for (const char* place : {"/out/a", "/up/b"})
        box.config["mounts"].push_back({{"destination", place}, {"type", "tmpfs"}, {"source", "tmpfs"}});
    box.command("echo ran");
    (void)box.run();
    EXPECT_TRUE(std::filesystem::is_empty(box.directory + "/marker"));
}

TEST(NativeSecurity, s10_read_only_root_is_read_only) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.config["root"]["readonly"] = true;
    box.command("touch /x; touch /dev/shm/y && echo shm; cat /proc/self/mountinfo | head -n 1");
    const std::string out = box.run();
    EXPECT_THAT(out, HasSubstr("touch: /x: Read-only file system\nshm\n"));
    EXPECT_THAT(out, HasSubstr(" / ro,"));
}

TEST(NativeSecurity, s13_s30_user_gets_its_groups_and_no_capability) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}, {"additionalGids", {44}}};
    std::ofstream(box.root + "/etc/closed") << "secret";
    ::chown((box.root + "/etc/closed").c_str(), 0, 1000);
    ::chmod((box.root + "/etc/closed").c_str(), 0604);
    box.command("id -G; cat /etc/closed; grep -E '^Cap(Prm|Eff|Inh|Amb)' /proc/self/status; echo out > /dev/stdout");
    const std::string out = box.run();
    EXPECT_THAT(out, HasSubstr("1000 44\n"));
    EXPECT_THAT(out, HasSubstr("cat: can't open '/etc/closed': Permission denied"));
    EXPECT_THAT(out, HasSubstr("CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:"
                               "\t0000000000000000\nCapAmb:\t0000000000000000\nout\n"));
}

TEST(NativeSecurity, s14_user_numbers_are_exact_or_refused) {
    SKIP_UNLESS_ROOT();
    for (const Json& uid : {Json(4294967295u), Json(4294967296), Json(-1), Json("0"), Json(1.5), Json(true)}) {
        Box box;
        box.config["process"]["user"] = {{"uid", uid}, {"gid", 0}};
        EXPECT_EQ(refused(box), GANTRY_INVALID) << uid;
    }
    Box box;
    box.config["process"]["user"] = {{"uid", 2147483648u}, {"gid", 4294967294u}};
    box.command("id -u; id -g");
    EXPECT_EQ(box.run(), "2147483648\n4294967294\n");
}

TEST(NativeSecurity, s15_large_configurations_are_exact_or_refused) {
    SKIP_UNLESS_ROOT();
    Box box;
    for (int i = 0; i < 10000; ++i)
        box.config["mounts"].push_back({{"destination", "/m" + std::to_string(i)}, {"type", "tmpfs"}, {"source", "x"}});
    EXPECT_EQ(refused(box), GANTRY_INVALID);
    Box other;
    other.config["mounts"].push_back(
        {{"destination", "/" + std::string(70000, 'a')}, {"type", "tmpfs"}, {"source", "x"}});
    EXPECT_EQ(refused(other), GANTRY_INVALID);
}

TEST(NativeSecurity, s16_only_the_standard_devices_open) {
    SKIP_UNLESS_ROOT();
    Box box;
    for (const char* set : {"bounding", "effective", "permitted"})
        box.config["process"]["capabilities"][set].push_back("CAP_MKNOD");
    box.command(
        "for d in 'b 8 0' 'c 1 1' 'c 10 229' 'b 254 0'; do mknod /tmp/d $d; head -c 1 /tmp/d; rm /tmp/d 2>/dev/null || "
        "busybox rm -f /tmp/d; done; head -c 4 /dev/zero | wc -c; echo x > /dev/null; head -c 4 /dev/urandom | wc -c");
    const std::string out = box.run();
    EXPECT_THAT(out, HasSubstr("head: /tmp/d: Operation not permitted\nhead: /tmp/d: Operation not permitted\nhead: "
                               "/tmp/d: Operation not permitted\nhead: /tmp/d: Operation not permitted\n4\n4\n"));
}

TEST(NativeSecurity, s17_cgroups_are_read_only) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.command(
        "for f in memory/memory.limit_in_bytes memory/notify_on_release pids/pids.max; do echo 1 > /sys/fs/cgroup/$f; "
        "done; mkdir /sys/fs/cgroup/memory/x; mkdir /sys/fs/cgroup/new; ls /sys/fs/cgroup/memory/release_agent");
    const std::string out = box.run();
    EXPECT_THAT(out, HasSubstr("can't create /sys/fs/cgroup/memory/memory.limit_in_bytes: Read-only file system"));
    EXPECT_THAT(out, HasSubstr("can't create /sys/fs/cgroup/pids/pids.max: Read-only file system"));
    EXPECT_THAT(out, HasSubstr("'/sys/fs/cgroup/memory/x': Read-only file system"));
    EXPECT_THAT(out, HasSubstr("'/sys/fs/cgroup/new': Read-only file system"));
    EXPECT_THAT(out, HasSubstr("/sys/fs/cgroup/memory/release_agent: No such file or directory"));
}

TEST(NativeSecurity, s18_sysctls_of_namespaces_only) {
    SKIP_UNLESS_ROOT();
    const std::pair<const char*, const char*> bad[] = {{"kernel.core_pattern", "|/x"},
                                                       {"kernel.shm_rmid_forced", "1\n2"},
                                                       {"net.ipv4.ip_forward+x=", "1"},
                                                       {"kernel/../kernel/core_pattern", "x"},
                                                       {"vm.swappiness", "1"},
                                                       {"net/../kernel/core_pattern", "x"},
                                                       {"net.%n", "1"}};
    for (const auto& [name, value] : bad) {
        Box box;
        box.config["linux"]["sysctl"] = {{name, value}};
        EXPECT_NE(refused(box), GANTRY_OK) << name;
    }
    Box host;
    host.config["linux"]["namespaces"] = {{{"type", "mount"}}, {{"type", "pid"}}, {{"type", "uts"}}, {{"type", "ipc"}}};
    host.config["linux"]["sysctl"] = {{"net.ipv4.ip_unprivileged_port_start", "0"}};
    EXPECT_EQ(refused(host), GANTRY_DENIED);
    Box box;
    box.config["linux"]["sysctl"] = {{"net.ipv4.ip_unprivileged_port_start", "7"}, {"kernel.shm_rmid_forced", "1"}};
    box.command(
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced; echo 1 > "
        "/proc/sys/kernel/shm_rmid_forced");
    EXPECT_THAT(box.run(),
                HasSubstr("7\n1\n/bin/sh: can't create /proc/sys/kernel/shm_rmid_forced: Read-only file system"));
}

TEST(NativeSecurity, s27_session_keyring_is_the_containers_own) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.config["linux"]["maskedPaths"] = Json::array();
    box.command("cat /proc/keys | grep _ses | grep -c " + box.id + "; sleep 60");
    ASSERT_TRUE(box.create().ok());
    ASSERT_TRUE(box.start().ok());
    const auto reply = box.exec("grep -c _ses." + box.id + " /proc/keys");
    ASSERT_TRUE(reply.ok());
    EXPECT_EQ(box.exec_output(), "1\n") << "exec joins the one that is there";
}

TEST(NativeSecurity, masked_and_read_only_paths_hold) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.command(
        "ls /sys/firmware | wc -l; cat /proc/timer_list | wc -c; echo x > /proc/sys/kernel/domainname; touch "
        "/sys/firmware/x");
    const std::string out = box.run();
    EXPECT_THAT(out, HasSubstr("0\n0\n"));
    EXPECT_THAT(out, HasSubstr("can't create /proc/sys/kernel/domainname: Read-only file system"));
    EXPECT_THAT(out, HasSubstr("touch: /sys/firmware/x: Read-only file system"));
}

TEST(NativeSecurity, a_user_namespace_maps_root_to_nobody_of_the_host) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.config["linux"]["namespaces"].push_back({{"type", "user"}});
    box.config["linux"]["uidMappings"] = {{{"containerID", 0}, {"hostID", 200000}, {"size", 65536}}};
    box.config["linux"]["gidMappings"] = {{{"containerID", 0}, {"hostID", 200000}, {"size", 65536}}};
    box.command("id -u; cat /proc/self/uid_map; echo x > /dev/null && head -c 2 /dev/zero | wc -c; touch /etc/x");
    const auto created = box.create();
    ASSERT_TRUE(created.ok()) << created.message();
    struct stat about {};
    ASSERT_EQ(::stat(("/proc/" + std::to_string(box.pid)).c_str(), &about), 0);
    ASSERT_TRUE(box.start().ok());
    const std::string out = box.output();
    EXPECT_THAT(out, HasSubstr("0\n         0     200000      65536\n2\n"));
    EXPECT_THAT(out, HasSubstr("touch: /etc/x: Permission denied")) << "the host's root owns the image here";
}

TEST(NativeSecurity, dies_with_its_monitor) {
    SKIP_UNLESS_ROOT();
    int pipe[2];
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    const pid_t monitor = ::fork();
    if (monitor == 0) {
        Box box;
        box.command("sleep 60");
        if (!box.create().ok() || !box.start().ok()) ::_exit(1);
        (void)!::write(pipe[1], &box.pid, sizeof box.pid);
        ::raise(SIGKILL);
    }
    ::close(pipe[1]);
    pid_t container = 0;
    ASSERT_EQ(::read(pipe[0], &container, sizeof container), static_cast<ssize_t>(sizeof container));
    ::close(pipe[0]);
    bool gone = false;
    for (int i = 0; i < 200 && !gone; ++i) {
        ::usleep(10000);
        const std::string state = read_text("/proc/" + std::to_string(container) + "/stat");
        gone = state.empty() || state.find(") Z ") != std::string::npos;
    }
    EXPECT_TRUE(gone);
    // What a crash leaves: another instance removes it by the state that the first one wrote, or by hand here.
    const std::string id = "rt" + std::to_string(monitor) + "-0";
    for (const auto& entry : std::filesystem::directory_iterator("/sys/fs/cgroup"))
        for (const auto& group : std::filesystem::directory_iterator(entry.path()))
            if (group.path().filename() == "gantry-test-" + std::to_string(monitor)) {
                for (const auto& inner : std::filesystem::directory_iterator(group.path()))
                    if (inner.is_directory()) ::rmdir(inner.path().c_str());
                ::rmdir(group.path().c_str());
            }
    for (const auto& entry : std::filesystem::directory_iterator("/tmp"))
        if (entry.path().filename().string().starts_with("gantry-rt" + std::to_string(monitor) + "-"))
            std::filesystem::remove_all(entry.path());
}
