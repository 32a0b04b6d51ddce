#include "driver_under_test.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

// The engine's opaque type, here: where the answer goes.
struct gantry_call {
    gantry::test::Reply* reply;
};

namespace gantry::test {
namespace {

std::string text_of(gantry_str s) { return s.len ? std::string(s.ptr, s.len) : std::string(); }

const gantry_driver_plugin* plugin() {
    static const gantry_driver_plugin* found = [] {
        void* handle = ::dlopen(GANTRY_NATIVE_DRIVER, RTLD_NOW | RTLD_LOCAL);
        if (!handle) throw std::runtime_error(::dlerror());
        const auto entry = reinterpret_cast<gantry_driver_entry_fn>(::dlsym(handle, GANTRY_DRIVER_ENTRY));
        return entry(GANTRY_ABI_MAJOR, GANTRY_ABI_MINOR);
    }();
    return found;
}

}  // namespace

std::string read_text(const std::string& path) {
    std::ifstream in(path);
    std::stringstream all;
    all << in.rdbuf();
    return all.str();
}

std::string drain(int fd) {
    std::string out;
    char buffer[4096];
    ssize_t n = 0;
    while ((n = ::read(fd, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0) out.append(buffer, static_cast<std::size_t>(n));
    return out;
}

std::string host_mounts() { return read_text("/proc/self/mountinfo"); }

DriverUnderTest::DriverUnderTest(const std::string& run, const Json& options) {
    host_.size = sizeof host_;
    host_.ctx = this;
    host_.log = [](void* ctx, gantry_call*, int32_t, gantry_str text) {
        static_cast<DriverUnderTest*>(ctx)->log.push_back(text_of(text));
        if (::getenv("GANTRY_TEST_LOG")) std::fprintf(stderr, "%s\n", text_of(text).c_str());
    };
    host_.reply = [](gantry_call* call, gantry_status status, gantry_str json, const int* fds, uint32_t count) {
        Reply& reply = *call->reply;
        reply.status = status;
        reply.body = json.len ? Json::parse(text_of(json)) : Json::object();
        for (uint32_t i = 0; i < count; ++i)
            reply.fds[reply.body["fds"][i]] = UniqueFd(::fcntl(fds[i], F_DUPFD_CLOEXEC, 3));
    };
    host_.cancelled = [](const gantry_call*) -> int32_t { return 0; };
    host_.remaining_ms = [](const gantry_call*) -> int64_t { return 30000; };
    driver_.size = sizeof driver_;
    const std::string config = Json{{"engine", "test"}, {"root", ""}, {"run", run}, {"options", options}}.dump();
    std::string why;
    const auto status = plugin()->open(
        &host_, {config.data(), config.size()}, &driver_,
        [](void* ctx, gantry_str text) { *static_cast<std::string*>(ctx) = text_of(text); }, &why);
    if (status != GANTRY_OK) throw std::runtime_error("open: " + why);
}

DriverUnderTest::~DriverUnderTest() { driver_.close(driver_.self); }

Reply DriverUnderTest::call(gantry_op op, const Json& request, const std::vector<int>& fds) {
    Reply reply;
    gantry_call call{&reply};
    const std::string text = request.dump();
    op(driver_.self, &call, {text.data(), text.size()}, fds.data(), static_cast<uint32_t>(fds.size()));
    return reply;
}

Box::Box() {
    // As a monitor does: whatever a container leaves behind becomes a child of this process.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    static int count = 0;
    id = "rt" + std::to_string(::getpid()) + "-" + std::to_string(count++);
    directory = "/tmp/gantry-" + id;
    root = directory + "/root";
    for (const char* name : {"bin", "etc", "tmp", "proc", "sys", "dev", "root"})
        std::filesystem::create_directories(root + "/" + name);
    std::filesystem::create_directories(directory + "/bundle");
    std::filesystem::copy_file("/bin/busybox", root + "/bin/busybox");
    for (const char* name :
         {"sh",   "cat",   "ls",    "id", "sleep", "mount", "ps",  "readlink", "stat", "hostname", "tty", "grep",
          "kill", "touch", "mkdir", "ln", "head",  "wc",    "env", "mknod",    "dd",   "chroot",   "stty"})
        std::filesystem::create_symlink("busybox", root + "/bin/" + name);
    const Json caps = {"CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FSETID",  "CAP_FOWNER",           "CAP_SETGID",
                       "CAP_SETUID", "CAP_SETFCAP",      "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
                       "CAP_KILL"};
    config = {
        {"ociVersion", "1.0.2"},
        {"hostname", "box"},
        {"root", {{"path", "rootfs"}}},
        {"process",
         {{"args", {"/bin/true"}},
          {"env", {"PATH=/bin:/usr/bin", "HOME=/root"}},
          {"cwd", "/"},
          {"user", {{"uid", 0}, {"gid", 0}}},
          {"capabilities", {{"bounding", caps}, {"effective", caps}, {"permitted", caps}}}}},
        {"mounts",
         {{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}, {"options", {"nosuid", "noexec", "nodev"}}},
          {{"destination", "/dev"},
           {"type", "tmpfs"},
           {"source", "tmpfs"},
           {"options", {"nosuid", "strictatime", "mode=755", "size=65536k"}}},
          {{"destination", "/dev/pts"},
           {"type", "devpts"},
           {"source", "devpts"},
           {"options", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}}},
          {{"destination", "/sys"},
           {"type", "sysfs"},
           {"source", "sysfs"},
           {"options", {"nosuid", "noexec", "nodev", "ro"}}},
          {{"destination", "/sys/fs/cgroup"},
           {"type", "cgroup"},
           {"source", "cgroup"},
           {"options", {"ro", "nosuid", "noexec", "nodev"}}},
          {{"destination", "/dev/mqueue"},
           {"type", "mqueue"},
           {"source", "mqueue"},
           {"options", {"nosuid", "noexec", "nodev"}}},
          {{"destination", "/dev/shm"},
           {"type", "tmpfs"},
           {"source", "shm"},
           {"options", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}}}}},
        {"linux",
         {{"namespaces",
           {{{"type", "mount"}},
            {{"type", "pid"}},
            {{"type", "ipc"}},
            {{"type", "uts"}},
            {{"type", "network"}},
            {{"type", "cgroup"}}}},
          {"cgroupsPath", cgroup()},
          {"resources", {{"pids", {{"limit", 100}}}}},
          {"maskedPaths",
           {"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
            "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
            "/sys/devices/virtual/powercap"}},
          {"readonlyPaths", {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}}}}};
    mounts = Json::array({{{"type", "bind"}, {"source", root}, {"options", {"rbind"}}}});
}

Box::~Box() {
    (void)remove();
    while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
}

void Box::overlay() {
    for (const char* name : {"upper", "work"}) std::filesystem::create_directories(directory + "/" + name);
    std::filesystem::create_directories(directory + "/lower2/etc");
    std::ofstream(directory + "/lower2/etc/second") << "second layer\n";
    mounts = Json::array({{{"type", "overlay"},
                           {"lower", {directory + "/lower2", root}},
                           {"upper", directory + "/upper"},
                           {"work", directory + "/work"}}});
}

Reply Box::create(bool terminal, std::map<std::string, int> extra) {
    std::ofstream(directory + "/bundle/config.json") << config.dump();
    Json request{{"id", id},           {"bundle", directory + "/bundle"},
                 {"mounts", mounts},   {"terminal", terminal},
                 {"seccomp", seccomp}, {"fds", Json::array()}};
    std::vector<int> fds;
    const auto add = [&](const std::string& name, int fd) {
        request["fds"].push_back(name);
        fds.push_back(fd);
    };
    if (!terminal) {
        int pipe[2];
        if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
        out_.reset(pipe[0]);
        out_write_.reset(pipe[1]);
        add("stdout", pipe[1]);
        add("stderr", pipe[1]);
    }
    for (const auto& [name, fd] : extra) add(name, fd);
    Reply reply = driver.call(driver.runtime()->create, request, fds);
    out_write_.reset();
    if (reply.ok()) pid = reply.body["pid"];
    return reply;
}

Reply Box::start() { return driver.call(driver.runtime()->start, {{"id", id}}); }

std::string Box::run() {
    Reply created = create();
    if (!created.ok()) return "create: " + created.message();
    Reply started = start();
    if (!started.ok()) {
        status = wait(pid);
        return "start: " + started.message();
    }
    const std::string text = output();
    status = wait(pid);
    return text;
}

Reply Box::exec(const std::string& shell, bool terminal) {
    Json process = config["process"];
    process["args"] = {"/bin/sh", "-c", shell};
    return exec_process(process, terminal);
}

Reply Box::exec_process(const Json& process, bool terminal) {
    Json request{
        {"id", id}, {"process", process}, {"terminal", terminal}, {"seccomp", seccomp}, {"fds", Json::array()}};
    if (terminal) return driver.call(driver.runtime()->exec, request);
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    exec_out_.reset(pipe[0]);
    const UniqueFd write(pipe[1]);
    request["fds"] = {"stdout", "stderr"};
    return driver.call(driver.runtime()->exec, request, {write.get(), write.get()});
}

std::string Box::exec_output() { return drain(exec_out_.get()); }

std::string Box::output() { return drain(out_.get()); }

int Box::wait(pid_t process) {
    int raw = 0;
    while (::waitpid(process, &raw, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
}

Reply Box::remove() {
    Reply reply = driver.call(driver.runtime()->remove, {{"id", id}});
    return reply;
}

}  // namespace gantry::test
