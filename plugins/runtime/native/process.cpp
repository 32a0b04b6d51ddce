#include "process.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capabilities.hpp"
#include "channel.hpp"
#include "init.hpp"
#include "kernel.hpp"
#include "seccomp.hpp"

namespace gantry::native {
namespace {

Result<void> set_rlimits(const ProcessSpec& spec) {
    for (const Rlimit& limit : spec.rlimits) {
        const rlimit value{limit.soft, limit.hard};
        if (::setrlimit(static_cast<__rlimit_resource_t>(limit.resource), &value) != 0)
            return fail_errno("set rlimit \"" + limit.name + "\" to " + std::to_string(limit.soft) + ":" +
                              std::to_string(limit.hard));
    }
    return {};
}

// Container processes get a session keyring of their own; exec joins the one of its container by name.
Result<void> join_keyring(const std::string& name) {
    const long id = ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.c_str());
    if (id < 0) return errno == ENOSYS ? Result<void>() : Result<void>(fail_errno("make a session keyring"));
    const long mode = ::syscall(SYS_keyctl, KEYCTL_DESCRIBE, id, nullptr, 0);
    if (mode < 0) return {};
    constexpr unsigned possessor_all = 0x3f000000, user_search = 0x00080000, user_view = 0x00010000;
    (void)::syscall(SYS_keyctl, KEYCTL_SETPERM, id, possessor_all | user_search | user_view);
    return {};
}

Result<void> set_user(const ProcessPlan& plan) {
    const User& user = plan.spec.user;
    // A user namespace without permission for setgroups(2) has none to drop.
    if (::setgroups(user.groups.size(), user.groups.data()) != 0 && !(plan.user_namespace && errno == EPERM))
        return fail_errno("set supplementary groups");
    if (::setresgid(user.gid, user.gid, user.gid) != 0) return fail_errno("set group " + std::to_string(user.gid));
    if (::setresuid(user.uid, user.uid, user.uid) != 0) return fail_errno("set user " + std::to_string(user.uid));
    ::umask(user.umask);
    return {};
}

// A change of user takes away both.
Result<void> guard_again(const Channel& channel) {
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail_errno("make the process undumpable");
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return fail_errno("bind the process to its monitor");
    pollfd monitor{channel.fd(), 0, 0};
    if (::poll(&monitor, 1, 0) > 0 && (monitor.revents & POLLHUP)) return fail(Code::cancelled, "the monitor is gone");
    return {};
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> list;
    list.reserve(texts.size() + 1);
    for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
    list.push_back(nullptr);
    return list;
}

Error exec_failure(const std::string& path, int error) {
    Error failure = fail_errno("exec \"" + path + "\"", error);
    std::string reason = std::strerror(error);
    if (!reason.empty() && reason[0] >= 'A' && reason[0] <= 'Z') reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
    failure.text = "exec: \"" + path + "\": " + reason;
    if (error == ENOEXEC) failure.code = Code::invalid;
    return failure;
}

Error become(const ProcessPlan& plan, const std::string& path) {
    const auto arguments = pointers(plan.spec.arguments), environment = pointers(plan.spec.environment);
    ::execve(path.c_str(), arguments.data(), environment.data());
    return exec_failure(path, errno);
}

// The program as the child of an init: comes back in the child only.
Result<void> split_off_init(const ProcessPlan& plan, const Channel& channel) {
    sigset_t all, none;
    ::sigfillset(&all);
    ::sigemptyset(&none);
    name_init();
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    const pid_t child = ::fork();
    if (child < 0) return fail_errno("make the program's process");
    if (child > 0) {
        ::close(channel.fd());
        run_init(child);
    }
    // A group of its own, so that a key of the terminal reaches it once and not a second time from the init.
    (void)::setpgid(0, 0);
    if (plan.terminal) (void)::tcsetpgrp(0, ::getpgrp());
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    return {};
}

Result<std::string> prepare(const ProcessPlan& plan, const Channel& channel) {
    (void)::setsid();
    if (plan.terminal && ::ioctl(0, TIOCSCTTY, 0) != 0) return fail_errno("make the terminal the controlling one");
    GANTRY_CHECK(set_rlimits(plan.spec));
    if (!plan.keyring.empty()) GANTRY_CHECK(join_keyring(plan.keyring));
    // With root's rights first, as a directory closed to the user may be its working directory all the same.
    auto entered = enter_directory(plan.spec.cwd);
    if (!entered && entered.error().system_errno != EACCES) return std::move(entered).error();
    GANTRY_CHECK(prepare_capabilities(plan.spec.capabilities));
    GANTRY_CHECK(set_user(plan));
    GANTRY_CHECK(hold_capabilities(plan.spec.capabilities));
    GANTRY_CHECK(guard_again(channel));
    if (!entered) GANTRY_CHECK(enter_directory(plan.spec.cwd));
    return find_program(plan.spec.arguments[0], plan.spec.environment);
}

}  // namespace

Result<void> begin_process() {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return fail_errno("bind the process to its monitor");
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail_errno("make the process undumpable");
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) (void)::sigaction(number, &standard, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::umask(0);
    return {};
}

Result<void> set_up_stdio(const ProcessPlan& plan, const Channel& channel) {
    for (int number = 0; number < 3; ++number) {
        const int fd = plan.stdio[static_cast<std::size_t>(number)];
        if (fd < 0) return fail(Code::internal, "standard stream " + std::to_string(number) + " is missing");
    }
    // Out of the way first, so that none is overwritten before it is duplicated.
    std::array<int, 3> high{};
    for (std::size_t i = 0; i < 3; ++i) {
        high[i] = ::fcntl(plan.stdio[i], F_DUPFD_CLOEXEC, 16);
        if (high[i] < 0) return fail_errno("duplicate a standard stream");
    }
    for (int number = 0; number < 3; ++number) {
        const int from = high[static_cast<std::size_t>(number)];
        if (::dup2(from, number) < 0) return fail_errno("set a standard stream");
        ::close(from);
        struct stat about {};
        // The program must be able to open its own pipes by /dev/stdout; files and devices stay as they are.
        const bool own =
            ::fstat(number, &about) == 0 && (S_ISFIFO(about.st_mode) || S_ISSOCK(about.st_mode) || plan.terminal);
        if (own && plan.spec.user.uid != 0 && about.st_uid != plan.spec.user.uid &&
            ::fchown(number, plan.spec.user.uid, static_cast<gid_t>(-1)) != 0 && errno != EPERM)
            return fail_errno("give a standard stream to the container's user");
    }
    close_all_but({0, 1, 2, channel.fd()});
    return {};
}

Result<void> set_oom_score(const ProcessSpec& spec) {
    if (spec.oom_score_adj == unset) return {};
    return write_at(AT_FDCWD, "/proc/self/oom_score_adj", std::to_string(spec.oom_score_adj));
}

Result<void> enter_directory(const std::string& path) {
    auto directory = open_in_root(AT_FDCWD, path, O_PATH | O_DIRECTORY);
    if (!directory) {
        const int error = directory.error().system_errno;
        // NO_MAGICLINKS says ELOOP for /proc/self/fd/N and its like.
        if (error == ELOOP) return fail(Code::denied, "working directory \"" + path + "\" is outside the container");
        return fail_errno("enter working directory \"" + path + "\"", error);
    }
    if (::fchdir(directory->get()) != 0) return fail_errno("enter working directory \"" + path + "\"");
    // The system call, not libc's: it tells a directory outside the root by a path that does not begin with "/".
    char now[4096];
    const long length = ::syscall(SYS_getcwd, now, sizeof now);
    if (length <= 0 || now[0] != '/')
        return fail(Code::denied, "working directory \"" + path + "\" is outside the container");
    return {};
}

Result<std::string> find_program(const std::string& name, const std::vector<std::string>& environment) {
    const auto failure = [&](Code code, const std::string& reason, int error) {
        return Error{code, "exec: \"" + name + "\": " + reason, error};
    };
    if (name.empty()) return failure(Code::not_found, "executable file not found in $PATH", ENOENT);
    const auto runnable = [](const std::string& path, int& error) {
        // Before the exec, /proc/self/exe is a program of the host's.
        auto file = open_plainly(path, O_PATH);
        struct stat about {};
        if (!file || ::fstat(file->get(), &about) != 0) {
            error = file ? errno : file.error().system_errno;
            return false;
        }
        if (S_ISDIR(about.st_mode)) {
            error = EISDIR;
            return false;
        }
        if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0) return true;
        error = errno;
        return false;
    };
    int error = 0;
    if (name.find('/') != std::string::npos) {
        if (runnable(name, error)) return name;
        if (error == EISDIR) return failure(Code::denied, "is a directory", error);
        if (error == EACCES) return failure(Code::denied, "permission denied", error);
        if (error == ELOOP)
            return failure(Code::denied, "permission denied: it leads out of the container, or in a circle", error);
        if (error == ENOENT || error == ENOTDIR)
            return failure(Code::not_found,
                           "stat " + name + ": " + (error == ENOENT ? "no such file or directory" : "not a directory"),
                           error);
        return fail_errno("exec: \"" + name + "\"", error);
    }
    std::string_view path;
    for (const std::string& variable : environment)
        if (variable.starts_with("PATH=")) path = std::string_view(variable).substr(5);
    bool forbidden = false;
    for (std::string_view directory : split(path, ':')) {
        if (directory.empty() || directory[0] != '/') continue;
        const std::string candidate = std::string(directory) + "/" + name;
        if (runnable(candidate, error)) return candidate;
        if (error == EACCES) forbidden = true;
    }
    if (forbidden) return failure(Code::denied, "permission denied", EACCES);
    return failure(Code::not_found, "executable file not found in $PATH", ENOENT);
}

Error run_program(const ProcessPlan& plan, const Channel& channel) {
    auto path = prepare(plan, channel);
    if (!path) return std::move(path).error();
    if (plan.spec.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail_errno("set no_new_privs");
    // After this only what the profile allows; so nothing is left but to take the rights away and to run.
    if (plan.filter)
        if (auto installed = install_seccomp(*plan.filter); !installed) return std::move(installed).error();
    if (auto done = apply_capabilities(plan.spec.capabilities); !done) return std::move(done).error();
    if (plan.init)
        if (auto split = split_off_init(plan, channel); !split) return std::move(split).error();
    return become(plan, *path);
}

}  // namespace gantry::native
