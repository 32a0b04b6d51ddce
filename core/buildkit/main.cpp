// gantry-buildkit: speaks BuildKit's gRPC with clients whose connections the engine hands over, and has the engine build. It is
// started by gantryd when such a client comes, and ends when none is left. Not for people to run.
// gantry-buildkit --version VERSION --architecture NAME [--idle-ms N]
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/buildkit/confine.hpp"
#include "core/buildkit/server.hpp"

namespace {

int usage() {
    std::fputs(
        "usage: gantry-buildkit --version VERSION --architecture NAME [--idle-ms N]\n"
        "started by gantryd, with a SOCK_SEQPACKET socket as its standard input\n",
        stderr);
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    gantry::log::set_program("gantry-buildkit");
    gantry::buildkit::ServerSettings settings;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view option = argv[i];
        if (i + 1 == argc) return usage();
        if (option == "--version") {
            settings.version = argv[i + 1];
        } else if (option == "--architecture") {
            settings.architecture = argv[i + 1];
        } else if (option == "--idle-ms") {
            auto ms = gantry::parse_int(argv[i + 1]);
            if (!ms || *ms < 1 || *ms > 86'400'000) return usage();
            settings.idle_ms = static_cast<int>(*ms);
        } else {
            return usage();
        }
    }
    int type = 0;
    socklen_t size = sizeof type;
    if (settings.architecture.empty() || ::getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        type != SOCK_SEQPACKET)
        return usage();
    ::signal(SIGPIPE, SIG_IGN);
    const int fd = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0 || nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0) return 1;
    int status = 1;
    try {
        if (auto confined = gantry::buildkit::confine(); !confined) {
            gantry::log::error("gantry-buildkit does not start", {{"reason", confined.error().text}});
            return 1;
        }
        gantry::buildkit::EngineLine line{gantry::UniqueFd(fd)};
        auto served = gantry::buildkit::serve(line, settings);
        if (served)
            status = 0;
        else
            gantry::log::error("ended", {{"reason", served.error().text}});
    } catch (const std::exception& e) {
        gantry::log::error("ended by an exception", {{"reason", e.what()}});
    }
    // Calls under way end with the process: whoever made them has gone, or the engine has.
    ::_exit(status);
}
