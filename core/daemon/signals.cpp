#include "core/daemon/signals.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace gantry::daemon {

Signals::Signals() : wake_(::eventfd(0, EFD_CLOEXEC)) {
    sigset_t set;
    ::sigemptyset(&set);
    for (int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, number);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signals_ = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC));
}

Signals::~Signals() { end(); }

void Signals::watch(std::function<void()> stop, std::function<void()> reload) {
    thread_ = std::thread([this, stop = std::move(stop), reload = std::move(reload)] {
        int seen = 0;
        for (;;) {
            pollfd waiting[2] = {{signals_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
            if (::poll(waiting, 2, -1) < 0) continue;
            if (waiting[1].revents) return;
            signalfd_siginfo info{};
            if (::read(signals_.get(), &info, sizeof info) != sizeof info) continue;
            if (info.ssi_signo == SIGHUP) {
                if (seen == 0) reload();
                continue;
            }
            if (++seen == 1)
                stop();
            else
                ::_exit(1);  // asked twice: at once. Containers go on, and the next start finds everything.
        }
    });
}

void Signals::end() {
    if (!thread_.joinable()) return;
    std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
    thread_.join();
}

}  // namespace gantry::daemon
