// The engine's end of the conversation with gantry-launcher and the monitors (core/monitor/PROTOCOL.md).
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/driver/driver.hpp"

namespace gantry::container {

// What a monitor tells by itself.
struct MonitorEvent {
    enum class Type { exited = 1, exec_exited, oom, lost } type;  // lost: the monitor is gone without an exit record
    std::string exec_id;                                          // exec_exited
    int exit_code = 0;                                            // 0..255; 128+signal when killed
    std::int64_t time_ns = 0;
    bool oom_killed = false;
};

// One container's monitor. Calls are thread-safe and blocking (worker threads only).
class Monitor {
public:
    virtual ~Monitor() = default;
    virtual int pid() const = 0;  // the container's first process, as the host sees it
    virtual int monitor_pid() const = 0;
    virtual Result<void> start() = 0;
    virtual Result<void> signal(int number, bool all) = 0;
    // Runs one more process; its stdio goes to the attached client (may be none: output is discarded). Gives its pid.
    struct Attachment {
        UniqueFd client;    // a hijacked connection; raw with a terminal, Docker's 8-byte frames without
        std::string early;  // bytes the client sent already
        bool in = false, out = true, error = true;
        std::string detach_keys;    // as bytes, e.g. "\x10\x11"; "" for none
        std::vector<UniqueFd> raw;  // instead of client: stdin, stdout, stderr
    };
    virtual Result<int> exec(std::string_view exec_id, const Json& process, bool terminal, std::string_view seccomp,
                             Attachment attachment) = 0;
    virtual Result<void> attach(Attachment attachment) = 0;
    virtual Result<void> resize(std::string_view exec_id, int rows, int columns) = 0;  // exec_id "": the container
    // An operation of an optional table of the runtime driver: ("runtime.pause/1", "pause").
    virtual Result<Json> driver_call(std::string_view table, std::string_view operation, Json request) = 0;
    // Blocks until the container is removed: no process, no cgroup. Its mounts, which nobody sees any more, may still be on
    // their way out of the kernel.
    virtual void wait_removed() = 0;
    // Blocks until the monitor process and all that it held, mounts too, are gone.
    virtual void wait_gone() = 0;
};

struct LaunchRequest {
    std::string id, driver, bundle, run_dir;  // run_dir: the container's own directory under the engine's run
    std::string exit_file;                    // where the exit record goes: survives a restart of the engine
    Json mounts;                              // the root's plan
    bool terminal = false, open_stdin = false, stdin_once = false;
    std::string seccomp;               // digest given to warm_seccomp, or ""
    Json log;                          // {"driver": "local"|"json-file"|"none", "path", "max_size", "max_file", ..}
    std::vector<driver::NamedFd> fds;  // "netns", "mount:N"
    std::vector<Monitor::Attachment> attachments;  // clients that attached before the start
};

class Launcher {
public:
    // `run`: the engine's run directory; launcher.sock is there. Starts gantry-launcher (`program`) unless one of this
    // engine and version answers already; `settings` is the JSON that the launcher gets (driver path, runtimes,
    // engine name, log level). `on_event(container id, event)` comes on a thread of its own.
    static Result<std::unique_ptr<Launcher>> connect(
        std::string run, std::string program, Json settings,
        std::function<void(const std::string&, const MonitorEvent&)> on_event);
    virtual ~Launcher() = default;
    // A launch that has been asked for. Dropped without a wait: the monitor sees nobody there and removes what it made.
    class Launch {
    public:
        virtual ~Launch() = default;
        // Blocks until the runtime driver's create has ended. Once.
        virtual Result<std::shared_ptr<Monitor>> wait() = 0;
    };
    // Asks for a monitor, which calls the runtime driver's create. The request's borrowed descriptors must last until wait()
    // has returned.
    virtual Result<std::unique_ptr<Launch>> begin_launch(LaunchRequest request) = 0;
    // Both in one.
    Result<std::shared_ptr<Monitor>> launch(LaunchRequest request) {
        GANTRY_TRY(std::unique_ptr<Launch> begun, begin_launch(std::move(request)));
        return begun->wait();
    }
    // After a restart: the monitor of a container that still runs. GANTRY_NOT_FOUND: it is gone; then the exit record
    // (read_exit_record) tells, or nothing does.
    virtual Result<std::shared_ptr<Monitor>> reconnect(const std::string& id, const std::string& run_dir) = 0;
    // Compiles a seccomp profile in the launcher and remembers to do so again if the launcher is replaced.
    virtual Result<void> warm_seccomp(const std::string& digest, const Json& profile) = 0;
    // Runs a helper program outside gantryd: argv[0] absolute; fds: stdin, stdout, stderr (-1: /dev/null). `on_pid`
    // is called once it runs. Gives the exit status (128+signal when killed). Past timeout_ms its process group is
    // killed: GANTRY_DEADLINE.
    virtual Result<int> spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                              const int fds[3], int timeout_ms, const std::function<void(int)>& on_pid = {}) = 0;
    // Kills and removes what a monitor that was killed left of its container: the runtime driver's remove, called in a
    // process of the launcher's. Nothing left is success.
    virtual Result<void> sweep(const std::string& driver, const std::string& id, const std::string& cgroup_path) = 0;
    // Names, files and problems of the runtime drivers it loaded, as driver::Found in JSON.
    virtual Result<Json> drivers() = 0;
    // Ends the launcher (monitors go on). Blocks until it is gone.
    virtual void shut_down() = 0;
};

struct ExitRecord {
    int exit_code = 255;
    std::int64_t started_ns = 0, finished_ns = 0;
    bool oom_killed = false;
};
Result<ExitRecord> read_exit_record(const std::string& exit_file);

}  // namespace gantry::container
