#include "core/driver/host_child.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <cstdlib>

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/driver/kinds.hpp"

namespace gantry::driver {
namespace {

constexpr int socket_number = 3;
constexpr int load_timeout_ms = 10'000;

// The environment of a driver's process: nothing of the engine's but what tests need.
std::vector<std::string> environment() {
    std::vector<std::string> all{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};
    for (const char* name : {"GANTRY_FAILPOINT", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"})
        if (const char* value = std::getenv(name)) all.push_back(std::string(name) + "=" + value);
    return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (std::string& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

Error refusal(const Json& body) {
    int code = member<int>(body, "code", GANTRY_INTERNAL);
    if (code <= GANTRY_OK || code > GANTRY_INTERNAL) code = GANTRY_INTERNAL;
    return fail(static_cast<Code>(code), member<std::string>(body, "message", "refused without a reason"));
}

}  // namespace

Result<std::unique_ptr<HostChild>> HostChild::start(const Settings& settings, const std::string& instance) {
    if (!settings.host_program.starts_with("/"))
        return fail(Code::unsupported, "gantry-driver-host \"" + settings.host_program + "\" is not an absolute path");
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return fail_errno("make a socket pair");
    UniqueFd ours(pair[0]), theirs(pair[1]);
    // A process that has stopped reading must not hold our callers up beyond their deadline by much.
    timeval patience{2, 0};
    ::setsockopt(ours.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);

    std::vector<std::string> arguments{settings.host_program, "--fd", std::to_string(socket_number), "--driver",
                                       instance};
    std::vector<std::string> variables = environment();
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ScopeGuard clean([&] {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    });
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), socket_number);
    // Everything of ours is close-on-exec; what the engine itself inherited may not be.
    ::posix_spawn_file_actions_addclosefrom_np(&actions, socket_number + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    std::unique_ptr<HostChild> child(new HostChild);
    int error = ::posix_spawn(&child->pid_, settings.host_program.c_str(), &actions, &attributes,
                              pointers(arguments).data(), pointers(variables).data());
    if (error != 0) {
        child->pid_ = -1;
        return fail_errno("start \"" + settings.host_program + "\"", error);
    }
    child->socket_ = std::make_shared<const UniqueFd>(std::move(ours));
    child->pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, child->pid_, 0)));
    if (!child->pidfd_) return fail_errno("watch \"" + settings.host_program + "\"");
    return child;
}

HostChild::~HostChild() { collect(); }

Result<Message> HostChild::answer(std::string_view type, int timeout_ms, const std::string& doing) {
    const std::int64_t until = monotonic_ns() + std::int64_t{timeout_ms} * 1'000'000;
    for (;;) {
        const auto left = static_cast<int>((until - monotonic_ns()) / 1'000'000);
        auto message = left > 0 ? receive_frame(socket(), left) : Result<Message>(fail(Code::deadline, "none"));
        if (!message) {
            if (message.error().code == Code::deadline)
                return fail(Code::deadline,
                            "its process did not " + doing + " in " + std::to_string(timeout_ms) + " ms");
            if (message.error().code == Code::not_found)
                return fail(Code::internal, "its process " + collect() + " during \"" + doing + "\"");
            return message;
        }
        const auto found = member<std::string>(message->body, "type");
        if (found == type) return message;
        if (found == "refused") return refusal(message->body);
        if (on_frame) on_frame(std::move(*message));
    }
}

Result<DescribedFile> HostChild::load(const std::string& file, const std::string& instance) {
    GANTRY_CHECK(send_frame(socket(), {{"type", "load"}, {"file", file}, {"name", instance}}));
    GANTRY_TRY(Message loaded, answer("loaded", load_timeout_ms, "load"));
    return DescribedFile{member<std::string>(loaded.body, "name"), member<std::string>(loaded.body, "kind"),
                         member<std::string>(loaded.body, "version"),
                         member<Json>(loaded.body, "description", Json::object())};
}

Result<std::vector<std::string>> HostChild::open(const Json& config) {
    GANTRY_CHECK(send_frame(socket(), {{"type", "open"}, {"config", config}}));
    GANTRY_TRY(Message opened, answer("opened", static_cast<int>(Deadline::normal), "open"));
    return member<std::vector<std::string>>(opened.body, "tables");
}

std::string HostChild::end(int timeout_ms) {
    if (pid_ > 0 && send_frame(socket(), {{"type", "close"}})) {
        const std::int64_t until = monotonic_ns() + std::int64_t{timeout_ms} * 1'000'000;
        for (;;) {
            const auto left = static_cast<int>((until - monotonic_ns()) / 1'000'000);
            if (left <= 0) break;
            auto message = receive_frame(socket(), left);
            if (!message && message.error().code == Code::not_found) {
                // Its end of the socket goes only when it exits; that is done in a moment, and then no signal is needed.
                for (int i = 0; i < 200 && pid_ > 0; ++i) {
                    int status = 0;
                    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
                        pid_ = -1;
                        ended_ = WIFSIGNALED(status) ? "ended by signal " + std::to_string(WTERMSIG(status))
                                                     : "exited with status " + std::to_string(WEXITSTATUS(status));
                    } else {
                        ::usleep(1000);
                    }
                }
            }
            if (!message) break;
            if (on_frame) on_frame(std::move(*message));
        }
    }
    return collect();
}

std::string HostChild::collect() {
    if (pid_ <= 0) return ended_;
    int status = 0;
    pid_t done = 0;
    // A moment for a process that is ending by itself, so that its own status is seen and not our signal.
    for (int i = 0; i < 50 && (done = ::waitpid(pid_, &status, WNOHANG)) == 0; ++i) {
        char byte = 0;
        if (::recv(socket(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN) break;  // alive and silent
        ::usleep(1000);
    }
    if (done == 0) {
        ::kill(pid_, SIGKILL);
        while ((done = ::waitpid(pid_, &status, 0)) < 0 && errno == EINTR) {
        }
    }
    pid_ = -1;
    if (done < 0)
        ended_ = "ended";
    else if (WIFSIGNALED(status))
        ended_ = "ended by signal " + std::to_string(WTERMSIG(status));
    else
        ended_ = "exited with status " + std::to_string(WEXITSTATUS(status));
    return ended_;
}

}  // namespace gantry::driver
