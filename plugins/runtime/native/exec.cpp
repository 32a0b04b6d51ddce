// One more process in a container that runs.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <charconv>

#include "container.hpp"
#include "kernel.hpp"
#include "namespaces.hpp"
#include "process.hpp"
#include "setup.hpp"
#include "stdio.hpp"
#include "terminal.hpp"
#include "trace.hpp"

namespace gantry::native {
namespace {

// What the entering process works with.
struct Entry {
    ProcessPlan process;
    const Cgroups::Join* join = nullptr;
    int target = -1;  // pidfd of the container's first process
    const Channel* channel = nullptr;
};

Result<void> enter_container(const Entry& entry) {
    // Undumpable and without the monitor's descriptors before anything in the container can see this process.
    GANTRY_CHECK(begin_process());
    std::vector<int> keep{entry.channel->fd(), entry.target};
    for (const int fd : entry.process.stdio) keep.push_back(fd);
    for (const UniqueFd& file : entry.join->v1) keep.push_back(file.get());
    close_all_but(std::move(keep));
    GANTRY_CHECK(set_oom_score(entry.process.spec));
    GANTRY_CHECK(join_v1(entry.join->v1));
    int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    if (entry.process.user_namespace) flags |= CLONE_NEWUSER;
    if (::setns(entry.target, flags) != 0) return fail_errno("enter the container", errno == ESRCH ? ENOENT : errno);
    if (entry.process.user_namespace) {
        GANTRY_CHECK(become_namespace_root());
        GANTRY_CHECK(begin_process());
    }
    return {};
}

// The peer, given away: set_up_stdio closes it once it is duplicated.
Result<int> open_terminal(const Entry& entry) {
    GANTRY_TRY(const UniqueFd root, open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY));
    GANTRY_TRY(Pty pty, open_pty(root.get(), entry.process.spec.rows, entry.process.spec.columns));
    GANTRY_CHECK(entry.channel->send(Channel::Kind::terminal, "", {pty.master.get()}));
    return pty.peer.release();
}

Error become_exec(Entry& entry) {
    const auto prepare = [&]() -> Result<void> {
        GANTRY_CHECK(begin_process());
        if (entry.process.terminal) {
            GANTRY_TRY(const int peer, open_terminal(entry));
            entry.process.stdio = {peer, peer, peer};
        }
        return set_up_stdio(entry.process, *entry.channel);
    };
    if (auto done = prepare(); !done) return std::move(done).error();
    return run_program(entry.process, *entry.channel);
}

// Enters, makes the process that is born inside, a child of the monitor too, and ends.
[[noreturn]] void run_entry(Entry& entry) {
    auto entered = enter_container(entry);
    if (entered) {
        auto born = clone_process(CLONE_PARENT, nullptr);
        if (born && *born > 0) {
            (void)entry.channel->send(Channel::Kind::ready, std::to_string(*born));
            ::_exit(0);
        }
        if (born) {
            const Error failure = become_exec(entry);
            entry.channel->send_error(failure);
            ::_exit(exit_status_of(failure));
        }
        entered = std::move(born).error();
    }
    entry.channel->send_error(entered.error());
    ::_exit(125);
}

}  // namespace

Result<Container::Process> Container::exec(ExecPlan plan) const {
    Trace trace(plan.trace);
    std::vector<std::string> warnings;
    clamp_process(plan.process, warnings);
    for (const std::string& warning : warnings) plan.warn(warning);
    Entry entry;
    entry.process = ProcessPlan{std::move(plan.process), plan.filter,  {-1, -1, -1}, plan.terminal, false,
                                user_namespace_,         "_ses." + id_};
    Stdio stdio;
    if (!plan.terminal) {
        GANTRY_TRY(stdio, Stdio::open(*plan.fds));
        entry.process.stdio = stdio.numbers();
    }
    Cgroups::Join join;
    if (cgroups_) {
        GANTRY_TRY(join, cgroups_.open_join());
    }
    GANTRY_TRY(auto pair, Channel::make());
    entry.join = &join;
    entry.target = pidfd_.get();
    entry.channel = &pair.child;
    trace.step("prepare");
    GANTRY_TRY(const pid_t helper, clone_process(0, nullptr, join.v2.get()));
    if (helper == 0) run_entry(entry);
    pair.child.close();
    trace.step("clone");
    Process process;
    Error failure;
    bool failed = false;
    for (bool open = true; open;) {
        auto message = pair.monitor.receive(25000);
        if (!message) {
            failure = std::move(message).error();
            failed = true;
            break;
        }
        switch (message->kind) {
        case Channel::Kind::ready:
            std::from_chars(message->text.data(), message->text.data() + message->text.size(), process.pid);
            break;
        case Channel::Kind::terminal:
            if (!message->fds.empty()) process.terminal = std::move(message->fds[0]);
            break;
        case Channel::Kind::error:
            failure = message->error;
            failed = true;
            break;
        default: open = false;
        }
    }
    if (failed) {
        (void)::kill(helper, SIGKILL);
        if (process.pid > 0) (void)::kill(process.pid, SIGKILL);
    }
    (void)reap(helper);
    if (process.pid > 0 && failed) (void)reap(process.pid);
    if (failed) return failure;
    if (process.pid <= 0)
        return fail(Code::internal, "the process that enters container \"" + id_ + "\" ended without a word");
    trace.step("enter to exec");
    if (trace.on())
        for (std::string_view step : split(trace.text(), '\n'))
            if (!step.empty()) plan.trace_line("trace exec: " + std::string(step) + " us");
    return process;
}

}  // namespace gantry::native
