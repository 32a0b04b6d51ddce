// gantry-driver-host: loads one network, volume or layer driver and serves its operations to the engine over the socket it
// was given. Not for people to run.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/driverhost/server.hpp"

namespace {

void limit(int resource, rlim_t most) {
    rlimit now{};
    if (::getrlimit(static_cast<__rlimit_resource>(resource), &now) != 0) return;
    now.rlim_max = std::min(now.rlim_max, most);
    now.rlim_cur = now.rlim_max;
    ::setrlimit(static_cast<__rlimit_resource>(resource), &now);
}

// The driver gets no more of the machine than one process may reasonably want, no new privileges, and no life of its own.
void confine() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, 4096);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    limit(RLIMIT_DATA, rlim_t{2} << 30);
#endif
}

}  // namespace

int main(int argc, char** argv) {
    std::int64_t number = 3;
    bool good = true;
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        if (option == "--fd" && i + 1 < argc)
            number = gantry::parse_int(argv[++i]).value_or(-1);
        else if (option == "--driver" && i + 1 < argc)
            ++i;  // the instance's name, for lists of processes
        else
            good = false;
    }
    int type = 0;
    socklen_t size = sizeof type;
    if (!good || number < 0 || number > 1 << 20 ||
        ::getsockopt(static_cast<int>(number), SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) {
        std::fputs(
            "usage: gantry-driver-host --fd NUMBER [--driver NAME]\n"
            "started by gantryd, with a SOCK_SEQPACKET socket as descriptor NUMBER (3 unless given)\n",
            stderr);
        return 2;
    }
    gantry::log::set_program("gantry-driver-host");
    confine();
    const int fd = static_cast<int>(number);
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    int status = 1;
    try {
        // Never destroyed: threads inside the driver may still use it while the process ends.
        status = (*new gantry::driverhost::Server(gantry::UniqueFd(fd))).run();
    } catch (const std::exception& e) {
        gantry::log::error("ended by an exception", {{"reason", e.what()}});
    }
    ::_exit(status);
}
