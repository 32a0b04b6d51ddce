#include "core/cli/build/interrupt.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace gantry::cli {

Result<Interrupt> Interrupt::create() {
    Interrupt interrupt;
    sigset_t set;
    ::sigemptyset(&set);
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) ::sigaddset(&set, signal);
    if (::sigprocmask(SIG_BLOCK, &set, &interrupt.before_) != 0) return fail_errno("block signals");
    interrupt.fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!interrupt.fd_) return fail_errno("signalfd");
    return interrupt;
}

Interrupt::~Interrupt() {
    if (fd_) ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

int Interrupt::take() {
    signalfd_siginfo info{};
    while (::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
        if (info.ssi_signo != SIGWINCH) ended_by_ = static_cast<int>(info.ssi_signo);
    return ended_by_;
}

Result<void> Interrupt::wait(int fd, short events) {
    for (;;) {
        pollfd ready[2] = {{fd, events, 0}, {fd_.get(), POLLIN, 0}};
        if (::poll(ready, 2, -1) < 0 && errno != EINTR) return fail_errno("poll");
        if (ready[1].revents && take() != 0) return fail(Code::cancelled, "cancelled");
        if (ready[0].revents) return {};
    }
}

}  // namespace gantry::cli
