// The built driver, loaded as the engine loads it, with a host of a few lines; and a container of busybox to try it on.
#pragma once
#include <gantry/abi/runtime.h>
#include <sys/types.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::test {

struct Reply {
    gantry_status status = -1;
    Json body;
    std::map<std::string, UniqueFd> fds;
    bool ok() const { return status == GANTRY_OK; }
    std::string message() const { return body.value("message", ""); }
};

class DriverUnderTest {
public:
    explicit DriverUnderTest(const std::string& run = "", const Json& options = Json::object());
    ~DriverUnderTest();
    Reply call(gantry_op op, const Json& request, const std::vector<int>& fds = {});
    const gantry_runtime* runtime() const { return static_cast<const gantry_runtime*>(table(GANTRY_RUNTIME)); }
    template <typename T>
    const T* ability(const char* id) const {
        return static_cast<const T*>(table(id));
    }
    std::vector<std::string> log;

private:
    const void* table(const char* id) const { return driver_.table(driver_.self, id); }
    gantry_host host_{};
    gantry_driver driver_{};
};

// A bundle in a temporary directory: root of busybox, config.json, cgroup of a name of its own. Everything is removed
// again, the container first.
class Box {
public:
    Box();
    ~Box();
    Json config;  // changed by a test before create()
    std::string id, directory, root;
    DriverUnderTest driver;
    pid_t pid = 0;

    void command(const std::string& shell) { config["process"]["args"] = {"/bin/sh", "-c", shell}; }
    void overlay();  // the root becomes the lower layer of an overlay
    Reply create(bool terminal = false, std::map<std::string, int> extra = {});
    Reply start();
    // create, start, wait; gives what it wrote to stdout and stderr, and sets `status` (shell style).
    std::string run();
    Reply exec(const std::string& shell, bool terminal = false);  // output goes to exec_output()
    Reply exec_process(const Json& process, bool terminal = false);
    std::string exec_output();
    int wait(pid_t process);
    std::string output();  // of the container so far, after its end
    Reply remove();
    int status = -1;
    Json mounts;
    std::string seccomp;
    // Of this process alone: tests run side by side.
    static std::string cgroup_parent() { return "/gantry-test-" + std::to_string(::getpid()); }
    std::string cgroup() const { return cgroup_parent() + "/" + id; }

private:
    UniqueFd out_, out_write_, exec_out_;
};

std::string read_text(const std::string& path);
std::string drain(int fd);
// The machine's number of mounts, for "nothing is left".
std::string host_mounts();

}  // namespace gantry::test

#define SKIP_UNLESS_ROOT() \
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: makes namespaces, mounts and cgroups"
