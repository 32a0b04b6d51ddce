// gantry-resolver: answers the names of containers on every network of one engine, also while gantryd is down.
// gantry-resolver --names DIR [--lock FILE] [--detach] [--port N] [--resolv-conf FILE] [--upstream-port N]
// --lock: holds an exclusive lock on FILE, with its process id in it, for as long as it lives; where another one has it,
// there is nothing to do, and it exits with 0. --detach: goes into the background, and returns when it listens.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>

#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/resolver/privileges.hpp"
#include "core/resolver/server.hpp"

namespace gantry::resolver {
namespace {

constexpr rlim_t wanted_descriptors = 4096;

struct Arguments : ServerSettings {
    std::string lock;
    bool detach = false;
};

Result<Arguments> read_arguments(int count, char** arguments) {
    Arguments settings;
    for (int i = 1; i < count; i += 2) {
        const std::string option = arguments[i];
        if (option == "--detach") {
            settings.detach = true;
            --i;
            continue;
        }
        if (i + 1 >= count) return fail(Code::invalid, "option \"" + option + "\" needs a value");
        const std::string value = arguments[i + 1];
        if (option == "--names")
            settings.names = value;
        else if (option == "--lock")
            settings.lock = value;
        else if (option == "--resolv-conf")
            settings.resolv_conf = value;
        else if (option == "--port" || option == "--upstream-port") {
            auto port = parse_int(value);
            if (!port || *port < 1 || *port > 65535)
                return fail(Code::invalid, "option \"" + option + "\": \"" + value + "\" is not a port");
            (option == "--port" ? settings.port : settings.upstream_port) = static_cast<std::uint16_t>(*port);
        } else {
            return fail(Code::invalid,
                        "unknown option \"" + option +
                            "\"; known are --names, --lock, --detach, --port, --resolv-conf, --upstream-port");
        }
    }
    if (settings.names.empty()) return fail(Code::invalid, "option \"--names\" is required");
    return settings;
}

// Leaves the caller's session. The parent ends here: with 0 once a byte comes through the pipe, else with 1.
Result<UniqueFd> go_into_background() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe");
    UniqueFd reading(ends[0]), writing(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) return fail_errno("fork");
    if (child > 0) {
        writing.reset();
        char ready = 0;
        ::_exit(::read(reading.get(), &ready, 1) == 1 ? 0 : 1);
    }
    ::setsid();
    GANTRY_TRY(UniqueFd nothing, open_file("/dev/null", O_RDWR));
    ::dup2(nothing.get(), STDIN_FILENO);
    ::dup2(nothing.get(), STDOUT_FILENO);
    return writing;
}

Result<void> serve(int count, char** arguments) {
    GANTRY_TRY(const Arguments settings, read_arguments(count, arguments));
    UniqueFd lock, ready;
    if (!settings.lock.empty()) {
        GANTRY_TRY(lock, open_file(settings.lock, O_RDWR | O_CREAT));
        if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
            return errno == EWOULDBLOCK ? Result<void>() : fail_errno("lock \"" + settings.lock + "\"");
    }
    if (settings.detach) {
        GANTRY_TRY(ready, go_into_background());
    }
    if (lock) {
        const std::string pid = std::to_string(::getpid()) + "\n";
        if (::ftruncate(lock.get(), 0) != 0 || ::pwrite(lock.get(), pid.data(), pid.size(), 0) < 0)
            return fail_errno("write \"" + settings.lock + "\"");
    }
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) return fail_errno("block signals");
    UniqueFd ended(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!ended) return fail_errno("wait for signals");
    // A query handed on takes a descriptor each.
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted_descriptors) {
        limit.rlim_cur = std::min(limit.rlim_max, wanted_descriptors);
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    GANTRY_CHECK(drop_privileges());
    GANTRY_TRY(auto server, Server::create(settings));
    GANTRY_CHECK(server->loop().add(ended.get(), EPOLLIN, [&](std::uint32_t) { server->stop(); }));
    if (ready) GANTRY_CHECK(write_all(ready.get(), "\n"));
    ready.reset();
    return server->run();
}

}  // namespace
}  // namespace gantry::resolver

int main(int count, char** arguments) {
    gantry::log::set_program("gantry-resolver");
    try {
        auto served = gantry::resolver::serve(count, arguments);
        if (served) return 0;
        gantry::log::error(served.error().text);
        return served.error().code == gantry::Code::invalid ? 2 : 1;
    } catch (const std::exception& e) {
        gantry::log::error(e.what());
        return 1;
    }
}
