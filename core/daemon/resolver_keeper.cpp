#include "core/daemon/resolver_keeper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"

namespace gantry::daemon {

ResolverKeeper::ResolverKeeper(std::string program, std::string run, container::Launcher& launcher)
    : program_(std::move(program)),
      run_(std::move(run)),
      launcher_(launcher),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      thread_([this] { keep(); }) {}

ResolverKeeper::~ResolverKeeper() {
    std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof one);
    if (thread_.joinable()) thread_.join();
}

bool ResolverKeeper::stopped(int process, int timeout_ms) {
    pollfd waiting[2] = {{stop_.get(), POLLIN, 0}, {process, POLLIN, 0}};
    while (::poll(waiting, 2, timeout_ms) < 0 && errno == EINTR) {
    }
    return waiting[0].revents != 0;
}

// The resolver holds an exclusive lock on run/resolver.lock for as long as it lives, and its process id is in there.
// Opened first and then seen to be locked still, so that the descriptor is the resolver's and nobody else's.
UniqueFd ResolverKeeper::find() {
    auto lock = open_file(run_ + "/resolver.lock", O_RDWR | O_CREAT);
    if (!lock) return {};
    auto text = read_all(lock->get(), 64);
    auto pid = parse_int(text ? trim(*text) : std::string_view());
    UniqueFd process(pid ? static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(*pid), 0)) : -1);
    if (::flock(lock->get(), LOCK_EX | LOCK_NB) == 0) return {};
    return process;
}

void ResolverKeeper::keep() {
    int pause_ms = 100;
    for (;;) {
        if (UniqueFd process = find()) {
            if (stopped(process.get(), -1)) return;
            continue;
        }
        const int fds[3] = {-1, -1, STDERR_FILENO};
        auto status = launcher_.spawn(
            {program_, "--names", run_ + "/names", "--lock", run_ + "/resolver.lock", "--detach"}, {}, fds, 10'000);
        if (status && *status == 0) {
            pause_ms = 100;
            continue;
        }
        log::error("gantry-resolver does not start; names do not resolve",
                   {{"reason", status ? "exit status " + std::to_string(*status) : status.error().text}});
        if (stopped(-1, pause_ms)) return;
        pause_ms = std::min(pause_ms * 2, 10'000);
    }
}

void ResolverKeeper::end() {
    std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof one);
    if (thread_.joinable()) thread_.join();
    UniqueFd process = find();
    if (!process) return;
    ::syscall(SYS_pidfd_send_signal, process.get(), SIGTERM, nullptr, 0);
    pollfd waiting{process.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 5000) == 0) log::warn("gantry-resolver does not end");
}

}  // namespace gantry::daemon
