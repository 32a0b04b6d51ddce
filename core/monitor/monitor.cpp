#include "core/monitor/monitor.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <gantry/abi/runtime.h>
#include <gantry/driver.hpp>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/monitor/monitor_types.hpp"
#include "core/monitor/process_title.hpp"
#include "core/monitor/wire.hpp"

namespace gantry::monitor {
namespace {

// How long the rest of a line is waited for before what is there goes into the log.
constexpr int unfinished_line_ms = 100;

sigset_t child_signal() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGCHLD);
    return set;
}

// Signals that would end the monitor before its container. Handlers, not SIG_IGN: exec resets them, so the workload
// does not inherit them.
void outlive_signals() {
    struct sigaction nothing {};
    nothing.sa_handler = [](int) {};
    nothing.sa_flags = SA_RESTART;
    for (int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM})
        ::sigaction(number, &nothing, nullptr);
}

int code_of(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

}  // namespace

Result<LaunchSpec> read_launch(const Json& body) {
    LaunchSpec spec{member<std::string>(body, "id"),           member<std::string>(body, "bundle"),
                    member<std::string>(body, "run_dir"),      member<std::string>(body, "exit_file"),
                    member<std::string>(body, "seccomp"),      member<Json>(body, "mounts", Json::array()),
                    member<Json>(body, "log", Json::object()), member<bool>(body, "terminal"),
                    member<bool>(body, "open_stdin"),          member<bool>(body, "stdin_once")};
    if (spec.id.empty()) return fail(Code::invalid, "a launch without an id");
    for (const std::string* path : {&spec.bundle, &spec.run_dir, &spec.exit_file})
        if (!path->starts_with('/'))
            return fail(Code::invalid, "launch \"" + spec.id + "\": path \"" + *path + "\" is not absolute");
    if (!spec.log.is_object()) return fail(Code::invalid, "launch \"" + spec.id + "\": \"log\" is not an object");
    return spec;
}

Monitor::Monitor(LaunchSpec spec, std::shared_ptr<driver::Driver> driver, Loop loop)
    : spec_(std::move(spec)), driver_(std::move(driver)), loop_(std::move(loop)) {}

Monitor::~Monitor() = default;

Result<driver::Reply> Monitor::call(const char* table, const char* operation, Json request,
                                    std::vector<driver::NamedFd> fds) {
    // The driver's children must not inherit a blocked SIGCHLD. What is lost of the signal meanwhile, reap() finds.
    sigset_t set = child_signal();
    ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
    auto reply = driver_->call(table, operation, std::move(request), std::move(fds));
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    sweep_children_ = true;
    return reply;
}

Result<void> Monitor::listen() {
    GANTRY_TRY(run_dir_, open_file(spec_.run_dir, O_PATH | O_DIRECTORY));
    GANTRY_TRY(listener_, listen_unix(monitor_socket_at(run_dir_.get()), SOCK_SEQPACKET, 0600, 16));
    if (int flags = ::fcntl(listener_.get(), F_GETFL); flags >= 0)
        ::fcntl(listener_.get(), F_SETFL, flags | O_NONBLOCK);
    listener_watch_ = std::make_unique<Watch>(loop_, listener_.get(), [this](std::uint32_t) { accept_control(); });
    if (!listener_watch_->want(EPOLLIN)) return fail_errno("watch the control socket");
    return {};
}

Result<void> Monitor::call_create(Message& launch, ProcessIo::Ends& ends) {
    std::vector<driver::NamedFd> fds;
    if (!spec_.terminal) {
        GANTRY_TRY(ends, ProcessIo::make_pipes(spec_.open_stdin ? ProcessIo::Input::pipe : ProcessIo::Input::null,
                                               ProcessIo::Output::pipe));
        fds = {{"stdin", ends.child_in.get()}, {"stdout", ends.child_out.get()}, {"stderr", ends.child_err.get()}};
    }
    const Json names = member<Json>(launch.body, "fds", Json::array());
    for (std::size_t i = 0; i < names.size() && i < launch.fds.size(); ++i) {
        const auto& name = names[i].get_ref<const std::string&>();
        if (launch.fds[i] && (name == "netns" || name.starts_with("mount:")))
            fds.push_back({name, launch.fds[i].get()});
    }
    GANTRY_FAILPOINT("monitor.before_create");
    GANTRY_TRY(driver::Reply made, call(GANTRY_RUNTIME, "create",
                                        {{"id", spec_.id},
                                         {"bundle", spec_.bundle},
                                         {"mounts", spec_.mounts},
                                         {"terminal", spec_.terminal},
                                         {"seccomp", spec_.seccomp}},
                                        std::move(fds)));
    created_ = true;
    pid_ = member<int>(made.result, "pid");
    if (pid_ <= 0)
        return fail(Code::internal, "driver \"" + driver_->name() + "\" gave no process for \"" + spec_.id + "\"");
    if (spec_.terminal) {
        ends.terminal = made.take_fd("terminal");
        if (!ends.terminal)
            return fail(Code::internal, "driver \"" + driver_->name() + "\" gave no terminal for \"" + spec_.id + "\"");
    }
    GANTRY_FAILPOINT("monitor.after_create");
    return {};
}

Result<void> Monitor::prepare(Message& launch) {
    GANTRY_CHECK(check_fd_names(launch));
    sigset_t set = child_signal();
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) return fail_errno("signalfd");
    signals_watch_ = std::make_unique<Watch>(loop_, signals_.get(), [this](std::uint32_t) {
        signalfd_siginfo info;
        while (::read(signals_.get(), &info, sizeof info) > 0) {
        }
        sweep_children_ = true;
    });
    if (!signals_watch_->want(EPOLLIN)) return fail_errno("watch for signals");
    GANTRY_TRY(log_, LogWriter::create(spec_.log));
    GANTRY_CHECK(listen());

    ProcessIo::Ends ends;
    GANTRY_CHECK(call_create(launch, ends));
    bool once = spec_.stdin_once && spec_.open_stdin;
    io_ = std::make_unique<ProcessIo>(loop_, std::move(ends), once ? OnInputEnd::close : OnInputEnd::keep, log_.get());
    const Json attachments = member<Json>(launch.body, "attachments", Json::array());
    for (std::size_t i = 0; attachments.is_array() && i < attachments.size(); ++i) {
        GANTRY_TRY(ClientSpec client, take_client(launch, attachments[i], "attach:" + std::to_string(i) + ":"));
        io_->attach(std::move(client));
    }
    return {};
}

bool Monitor::create(Message launch, UniqueFd connection) {
    auto made = prepare(launch);
    const bool acknowledges = member<bool>(launch.body, "acknowledges");
    launch = {};
    if (!made) {
        if (created_) remove_container();
        if (listener_) ::unlinkat(run_dir_.get(), "monitor.sock", 0);
        (void)send_message(connection.get(), {{"error", error_to_json(made.error())}});
        return false;
    }
    UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    Json answer{{"pid", pid_}, {"monitor_pid", ::getpid()}};
    std::vector<FdToSend> fds;
    if (self) fds.emplace_back("monitor", self.get());
    // A peer that has gone meanwhile shows at the first turn of the loop, and then nothing stays behind.
    (void)send_with_fds(connection.get(), std::move(answer), fds);
    add_control(std::move(connection)).acknowledges = acknowledges;
    return true;
}

void Monitor::run() {
    ::malloc_trim(0);
    bool quiet = true;
    while (!ended_) {
        auto turn = loop_.run_once(quiet ? -1 : log_->holds() ? unfinished_line_ms : 1000);
        if (!turn) {
            log::error("the monitor cannot wait for events", {{"error", turn.error().text}, {"container", spec_.id}});
            break;
        }
        if (std::exchange(sweep_children_, false)) reap();
        io_->sweep();
        for (auto& [pid, exec] : execs_)
            if (exec->io) exec->io->sweep();
        std::erase_if(controls_, [](const auto& control) { return control->dead; });
        release_ended_execs();
        std::erase_if(ended_execs_, [](auto& exec) {
            exec->io->sweep();
            return exec->io->at_end() && !exec->io->has_clients();
        });
        if (!started_ && !ended_ && (controls_.empty() || start_failed_)) return abandon();
        // A line that does not end, such as a prompt, is in the log too.
        if (!*turn && log_->holds()) {
            log_->flush();
            continue;
        }
        // Memory that a burst of output or a request needed goes back when it is quiet again.
        if (!*turn) {
            ProcessIo::release_buffer();
            ::malloc_trim(0);
            quiet = true;
        } else {
            quiet = false;
        }
    }
    end_container();
}

void Monitor::reap() {
    for (;;) {
        int status = 0;
        pid_t pid = ::waitpid(-1, &status, WNOHANG | __WALL);
        if (pid <= 0) return;
        if (pid == pid_) {
            exit_code_ = code_of(status);
            ended_ = true;
        } else if (auto found = execs_.find(pid); found != execs_.end()) {
            std::unique_ptr<Exec> exec = std::move(found->second);
            execs_.erase(found);
            if (exec->io) {
                exec->io->drain();
                exec->io->settle();
            }
            exec->told = exec_ended(exec->id, code_of(status));
            if (exec->io) ended_execs_.push_back(std::move(exec));
        }
    }
}

void settle_monitor() {
    ::setsid();
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    outlive_signals();
    log::set_program("gantry-monitor");
}

void run_monitor(Message launch, UniqueFd connection, std::shared_ptr<driver::Driver> driver,
                 driver::Registry& registry) {
    auto refuse = [&](const Error& error) { (void)send_message(connection.get(), {{"error", error_to_json(error)}}); };
    auto spec = read_launch(launch.body);
    if (!spec) return refuse(spec.error());
    set_process_title("gantry-monitor", "gantry-monitor " + spec->id);
    auto loop = Loop::create();
    if (!loop) return refuse(loop.error());
    Monitor monitor(std::move(*spec), std::move(driver), std::move(*loop));
    registry.set_event_handler([&monitor](const std::string&, const Json& event) { monitor.driver_event(event); });
    if (monitor.create(std::move(launch), std::move(connection))) monitor.run();
}

}  // namespace gantry::monitor
