// The monitor of one container: subreaper, keeper of its stdio and its log, and the one who records how it ended.
#pragma once
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/unix_socket.hpp"
#include "core/driver/registry.hpp"
#include "core/monitor/loop.hpp"
#include "core/monitor/process_io.hpp"

namespace gantry::monitor {

// What the monitor is given, from the "launch" message (PROTOCOL.md).
struct LaunchSpec {
    std::string id, bundle, run_dir, exit_file, seccomp;
    Json mounts, log;
    bool terminal = false, open_stdin = false, stdin_once = false;
};
Result<LaunchSpec> read_launch(const Json& body);

class Monitor {
public:
    Monitor(LaunchSpec spec, std::shared_ptr<driver::Driver> driver, Loop loop);
    ~Monitor();

    // Makes the container and answers on `connection`, which becomes the first control connection. false: the failure
    // was answered, and nothing is left behind.
    bool create(Message launch, UniqueFd connection);
    // Something the driver told by itself: {"type": "oom"}.
    void driver_event(const Json& event);
    // Serves until the container has ended and everything is told and removed.
    void run();

private:
    struct Control;
    struct Exec;
    struct Finished {
        std::string exec_id;
        int exit_code = 0;
        std::int64_t time_ns = 0;
        std::uint64_t number = 0;
    };

    // create (monitor.cpp)
    Result<void> prepare(Message& launch);
    Result<void> call_create(Message& launch, ProcessIo::Ends& ends);
    Result<void> listen();
    Result<driver::Reply> call(const char* table, const char* operation, Json request,
                               std::vector<driver::NamedFd> fds = {});
    void reap();

    // control connections (control.cpp)
    void accept_control();
    Control& add_control(UniqueFd connection);
    void control_ready(Control& control);
    void handle(Control& control, Message message);
    Result<Json> perform(const std::string& operation, Message& message);
    Result<Json> start();
    Result<Json> exec(Message& message);
    Json state() const;
    void reply(Control& control, const Json& sequence, Result<Json> result);
    void send(Control& control, const Json& body);
    void tell_all(const Json& body);
    static Json exec_event(const Finished& finished);

    // the end (ending.cpp)
    std::uint64_t exec_ended(const std::string& exec_id, int exit_code);
    bool seen_by_all(std::uint64_t number) const;
    void release_ended_execs();
    void await_acknowledgements();
    void end_container();
    void abandon();
    bool was_out_of_memory();
    Result<void> write_exit_record();
    void remove_container();
    void hand_over_clients();

    LaunchSpec spec_;
    std::shared_ptr<driver::Driver> driver_;
    Loop loop_;
    UniqueFd run_dir_, listener_, signals_;
    std::unique_ptr<Watch> listener_watch_, signals_watch_;
    std::unique_ptr<LogWriter> log_;
    std::unique_ptr<ProcessIo> io_;
    std::list<std::unique_ptr<Control>> controls_;
    std::map<int, std::unique_ptr<Exec>> execs_;  // by pid
    std::vector<std::unique_ptr<Exec>> ended_execs_;
    std::list<Finished> finished_;
    int pid_ = 0, exit_code_ = 255;
    bool created_ = false, started_ = false, ended_ = false, start_failed_ = false, out_of_memory_ = false,
         sweep_children_ = false;
    std::int64_t started_ns_ = 0, finished_ns_ = 0;
    std::uint64_t events_told_ = 0;
};

// In a process just forked: a session of its own, children adopted, the signals outlived that would end it before its
// container. May be repeated.
void settle_monitor();
// The whole life of a monitor in a process of its own.
void run_monitor(Message launch, UniqueFd connection, std::shared_ptr<driver::Driver> driver,
                 driver::Registry& registry);

}  // namespace gantry::monitor
