#include "core/monitor/spawn.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/monitor/process_title.hpp"
#include "core/monitor/wire.hpp"

namespace gantry::monitor {
namespace {

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> all;
    for (std::string& text : strings) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

// In the child, up to exec; what fails is told through `report` as an errno.
[[noreturn]] void become(SpawnSpec& spec, int report, pid_t parent) {
    std::vector<char*> argv = pointers(spec.argv), environment = pointers(spec.environment);
    ::setsid();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::umask(022);
    bool ready = ::chdir("/") == 0;
    // First out of the way of 0, 1 and 2, then into place.
    int from[3];
    for (int i = 0; i < 3; ++i) {
        int source = spec.fds[i] ? spec.fds[i].get() : ::open("/dev/null", O_RDWR | O_CLOEXEC);
        from[i] = source < 0 ? -1 : ::fcntl(source, F_DUPFD_CLOEXEC, 10);
        ready = ready && from[i] >= 0;
    }
    int moved = ::fcntl(report, F_DUPFD_CLOEXEC, 10);
    for (int i = 0; i < 3 && ready; ++i) ready = ::dup2(from[i], i) >= 0;
    ::close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    if (ready) ::execve(argv[0], argv.data(), environment.data());
    int error = errno;
    (void)!::write(moved, &error, sizeof error);
    ::_exit(127);
}

}  // namespace

Result<SpawnSpec> read_spawn(Message& message) {
    SpawnSpec spec;
    spec.argv = member<std::vector<std::string>>(message.body, "argv");
    spec.environment = member<std::vector<std::string>>(message.body, "env");
    spec.timeout_ms = member<int>(message.body, "timeout_ms");
    if (spec.argv.empty() || !spec.argv[0].starts_with('/'))
        return fail(Code::invalid, "a program's path is not absolute");
    for (const auto& strings : {spec.argv, spec.environment})
        for (const std::string& text : strings)
            if (text.find('\0') != std::string::npos) return fail(Code::invalid, "an argument holds a zero byte");
    static constexpr const char* names[3] = {"stdin", "stdout", "stderr"};
    for (int i = 0; i < 3; ++i) spec.fds[i] = take_fd(message, names[i]);
    return spec;
}

void run_supervisor(SpawnSpec spec, UniqueFd connection) {
    ::setsid();
    set_process_title("gantry-spawn", "gantry-spawn " + spec.argv[0]);
    auto refuse = [&](const Error& error) { (void)send_message(connection.get(), {{"error", error_to_json(error)}}); };
    std::int64_t until = monotonic_ns() + std::int64_t{spec.timeout_ms} * 1'000'000;
    int report[2];
    if (::pipe2(report, O_CLOEXEC) != 0) return refuse(fail_errno("make a pipe"));
    UniqueFd report_in(report[0]), report_out(report[1]);
    pid_t self = ::getpid();
    pid_t child = ::fork();
    if (child < 0) return refuse(fail_errno("fork \"" + spec.argv[0] + "\""));
    if (child == 0) become(spec, report_out.get(), self);
    report_out.reset();
    for (UniqueFd& fd : spec.fds) fd.reset();
    int error = 0;
    if (::read(report_in.get(), &error, sizeof error) == static_cast<ssize_t>(sizeof error)) {
        ::waitpid(child, nullptr, 0);
        return refuse(fail_errno("run \"" + spec.argv[0] + "\"", error));
    }
    UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    if (!process) {
        Error failed = fail_errno("watch \"" + spec.argv[0] + "\"");
        ::kill(-child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        return refuse(failed);
    }
    (void)send_message(connection.get(), {{"pid", child}});
    bool late = false, ended = false;
    while (!ended) {
        std::int64_t left = spec.timeout_ms > 0 ? (until - monotonic_ns()) / 1'000'000 + 1 : -1;
        if (spec.timeout_ms > 0 && left <= 0) {
            late = true;
            break;
        }
        pollfd waiting[2] = {{process.get(), POLLIN, 0}, {connection.get(), POLLIN, 0}};
        if (::poll(waiting, 2, static_cast<int>(std::min<std::int64_t>(left, 1 << 30))) < 0 && errno != EINTR) break;
        ended = waiting[0].revents != 0;
        // The engine says nothing more on this connection: anything is its end.
        if (waiting[1].revents != 0) break;
    }
    if (!ended) ::kill(-child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (late)
        return refuse(fail(Code::deadline,
                           "\"" + spec.argv[0] + "\" did not end within " + std::to_string(spec.timeout_ms) + " ms"));
    (void)send_message(connection.get(),
                       {{"exit", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)}});
}

}  // namespace gantry::monitor
