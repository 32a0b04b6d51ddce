#include "container.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <optional>

#include "kernel.hpp"
#include "mount_api.hpp"
#include "namespaces.hpp"
#include "process.hpp"
#include "rootfs.hpp"
#include "setup.hpp"
#include "stdio.hpp"
#include "sysctls.hpp"
#include "trace.hpp"

namespace gantry::native {
namespace {

// The tree of a bind mount: a copy of what the descriptor points to, or the descriptor itself where it is a tree that
// is attached nowhere (kernels before 6.15 do not copy those).
Result<UniqueFd> source_tree(const CreatePlan& plan, std::size_t index) {
    const int fd = plan.fds->get("mount:" + std::to_string(index));
    if (fd < 0) return UniqueFd();
    bool recursive = plan.spec.mounts[index].type == "rbind";
    for (const std::string& option : plan.spec.mounts[index].options) recursive = recursive || option == "rbind";
    auto copy = copy_tree(fd, recursive ? Depth::tree : Depth::one);
    if (copy || copy.error().system_errno != EINVAL) return copy;
    UniqueFd same(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!same) return fail_errno("duplicate the source of a mount");
    return same;
}

void log_lines(const std::string& text, const char* what, const Warn& line) {
    for (std::string_view step : split(text, '\n'))
        if (!step.empty()) line("trace " + std::string(what) + ": " + std::string(step) + " us");
}

// One create under way in the monitor: what it has made is unmade unless it is finished.
class Creation {
public:
    Creation(CreatePlan& plan, Cgroups cgroups) : plan_(plan), cgroups_(std::move(cgroups)), trace_(plan.trace) {}
    Creation(const Creation&) = delete;
    Creation& operator=(const Creation&) = delete;
    ~Creation() {
        if (finished_) return;
        if (pid_ > 0) {
            (void)::kill(pid_, SIGKILL);
            (void)reap(pid_);
        }
        if (cgroups_)
            if (auto removed = cgroups_.remove(); !removed)
                plan_.warn("after a failed create: " + removed.error().text);
    }

    Result<void> run() {
        GANTRY_CHECK(prepare());
        trace_.step("prepare");
        GANTRY_CHECK(launch());
        trace_.step("clone");
        if (plan_.spec.fresh(NamespaceKind::user)) {
            GANTRY_CHECK(write_id_maps(pid_, plan_.spec));
            GANTRY_CHECK(tell(Channel::Kind::mapped));
        }
        if (cgroups_) GANTRY_CHECK(make_cgroups());
        GANTRY_CHECK(await_ready());
        trace_.step("child awaited");
        GANTRY_CHECK(hold_mounts());
        if (trace_.on()) log_lines(trace_.text(), "create", plan_.trace_line);
        finished_ = true;
        return {};
    }

    pid_t pid_ = 0;
    UniqueFd pidfd_, terminal_, mounts_;
    Channel channel_;

private:
    Result<void> prepare() {
        const Spec& spec = plan_.spec;
        const int netns = plan_.fds->get("netns");
        const bool own_network = netns >= 0 || spec.at(NamespaceKind::network).mode != NamespaceSpec::Mode::absent;
        GANTRY_CHECK(check_sysctls(spec, own_network));
        std::vector<std::string> warnings;
        clamp_process(plan_.spec.process, warnings);
        for (const std::string& warning : warnings) plan_.warn(warning);
        setup_.spec = &plan_.spec;
        setup_.root = &plan_.root;
        setup_.bundle = plan_.bundle;
        setup_.trace = plan_.trace;
        setup_.cgroups = cgroups_ ? &cgroups_ : nullptr;
        setup_.process = ProcessPlan{plan_.spec.process, plan_.filter, {-1, -1, -1},
                                     plan_.terminal,     spec.init,    spec.fresh(NamespaceKind::user),
                                     "_ses." + plan_.id};
        if (!plan_.terminal) {
            GANTRY_TRY(stdio_, Stdio::open(*plan_.fds));
            setup_.process.stdio = stdio_.numbers();
        }
        for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
            auto source = source_tree(plan_, i);
            if (!source)
                return std::move(source).error().context("the source of the mount on \"" + spec.mounts[i].destination +
                                                         "\"");
            setup_.sources.push_back(std::move(source).value());
        }
        // Only the host's root may make some file systems; and nothing of the host is open to a user namespace's root.
        if (spec.fresh(NamespaceKind::user)) {
            auto tree = make_root_tree(plan_.root);
            if (tree)
                setup_.root_tree = std::move(tree).value();
            else if (tree.error().system_errno != EOPNOTSUPP)
                return std::move(tree).error();
        }
        GANTRY_CHECK(open_namespaces(netns));
        GANTRY_TRY(auto pair, Channel::make());
        channel_ = std::move(pair.monitor);
        child_channel_ = std::move(pair.child);
        return {};
    }

    Result<void> open_namespaces(int netns) {
        Spec& spec = plan_.spec;
        flags_ = clone_flags(spec);
        for (std::size_t index = 0; index < namespace_kinds; ++index) {
            const auto kind = static_cast<NamespaceKind>(index);
            if (spec.namespaces[index].mode != NamespaceSpec::Mode::path) continue;
            if (kind == NamespaceKind::network && netns >= 0) continue;
            GANTRY_TRY(UniqueFd fd, open_namespace(spec.namespaces[index].path, kind));
            // A process cannot change its own pid namespace, and a user namespace's root may not enter the host's.
            if (kind == NamespaceKind::pid || spec.fresh(NamespaceKind::user))
                born_in_.emplace_back(kind, std::move(fd));
            else
                setup_.joined.emplace_back(kind, std::move(fd));
        }
        if (netns < 0) return {};
        flags_ &= ~namespace_flag(NamespaceKind::network);
        if (auto checked = check_namespace(netns, NamespaceKind::network); !checked)
            return std::move(checked).context("\"netns\"");
        UniqueFd fd(::fcntl(netns, F_DUPFD_CLOEXEC, 3));
        if (!fd) return fail_errno("duplicate \"netns\"");
        if (spec.fresh(NamespaceKind::user))
            born_in_.emplace_back(NamespaceKind::network, std::move(fd));
        else
            setup_.joined.emplace_back(NamespaceKind::network, std::move(fd));
        return {};
    }

    Result<void> launch() {
        UniqueFd group;
        if (cgroups_) {
            GANTRY_TRY(group, cgroups_.create_v2(plan_.spec.resources));
        }
        trace_.step("cgroup v2");
        std::vector<BornIn> inside;
        for (const auto& [kind, fd] : born_in_) {
            GANTRY_TRY(BornIn in, BornIn::enter(fd.get(), kind));
            inside.push_back(std::move(in));
        }
        GANTRY_TRY(pid_, clone_process(flags_, &pidfd_, group.get()));
        if (pid_ == 0) {
            pid_ = -1;
            channel_.close();
            become_container(setup_, child_channel_);
        }
        child_channel_.close();
        setup_.sources.clear();
        return {};
    }

    Result<void> make_cgroups() {
        GANTRY_TRY(const auto files, cgroups_.create_v1(plan_.spec.resources));
        trace_.step("cgroups v1");
        std::vector<int> fds;
        for (const UniqueFd& file : files) fds.push_back(file.get());
        GANTRY_CHECK(tell(Channel::Kind::cgroups, fds));
        std::vector<std::string> warnings;
        GANTRY_CHECK(cgroups_.limit(plan_.spec.resources, warnings));
        for (const std::string& warning : warnings) plan_.warn(warning);
        trace_.step("limits");
        GANTRY_CHECK(cgroups_.limit_devices(plan_.spec.resources));
        trace_.step("devices");
        return {};
    }

    // The last who leaves a mount namespace unmounts all that is in it before its parent hears of its end. That shall not be
    // the container's process: its end is told first, and the mounts go with this descriptor.
    Result<void> hold_mounts() {
        if (!plan_.spec.fresh(NamespaceKind::mount)) return {};
        GANTRY_TRY(mounts_, open_at(AT_FDCWD, "/proc/" + std::to_string(pid_) + "/ns/mnt", O_RDONLY));
        return {};
    }

    // A child that failed has said why, and its end is closed: the reason is worth more than EPIPE.
    Result<void> tell(Channel::Kind kind, const std::vector<int>& fds = {}) {
        auto sent = channel_.send(kind, {}, fds);
        return sent ? std::move(sent) : await_ready();
    }

    Result<void> await_ready() {
        while (true) {
            GANTRY_TRY(Channel::Message message, channel_.receive(25000));
            switch (message.kind) {
            case Channel::Kind::ready: return {};
            case Channel::Kind::error: return message.error;
            case Channel::Kind::warning: plan_.warn(message.text); break;
            case Channel::Kind::trace: log_lines(message.text, "create", plan_.trace_line); break;
            case Channel::Kind::terminal:
                if (!message.fds.empty()) terminal_ = std::move(message.fds[0]);
                break;
            default: return fail(Code::internal, "the container's process ended before it was ready");
            }
        }
    }

    CreatePlan& plan_;
    Cgroups cgroups_;
    Trace trace_;
    SetupPlan setup_;
    Stdio stdio_;
    Channel child_channel_;
    std::vector<std::pair<NamespaceKind, UniqueFd>> born_in_;
    std::uint64_t flags_ = 0;
    bool finished_ = false;
};

}  // namespace

Result<std::unique_ptr<Container>> Container::create(CreatePlan plan, UniqueFd& terminal) {
    // What the children inherit must be out of reach of those they will live with.
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail_errno("make the monitor undumpable");
    Cgroups cgroups;
    if (!plan.spec.cgroups_path.empty()) cgroups = Cgroups(plan.layout, plan.spec.cgroups_path);
    Creation creation(plan, cgroups);
    GANTRY_CHECK(creation.run());
    std::unique_ptr<Container> container(new Container);
    container->id_ = plan.id;
    container->pid_ = creation.pid_;
    container->pidfd_ = std::move(creation.pidfd_);
    container->mounts_ = std::move(creation.mounts_);
    container->channel_ = std::move(creation.channel_);
    container->cgroups_ = cgroups;
    container->user_namespace_ = plan.spec.fresh(NamespaceKind::user);
    container->own_pids_ = plan.spec.fresh(NamespaceKind::pid);
    container->trace_ = plan.trace;
    terminal = std::move(creation.terminal_);
    return container;
}

Result<void> Container::start(const Warn& trace_line) {
    if (!channel_) return fail(Code::conflict, "container \"" + id_ + "\" is started already");
    Trace trace(trace_);
    const Channel channel = std::exchange(channel_, Channel());
    if (!channel.send(Channel::Kind::go)) {
        await_death(pid_);
        return fail(Code::not_found, "the process of container \"" + id_ + "\" is gone");
    }
    while (true) {
        GANTRY_TRY(Channel::Message message, channel.receive(25000));
        if (message.kind == Channel::Kind::error) {
            await_death(pid_);
            return message.error;
        }
        if (message.kind == Channel::Kind::end) break;
    }
    trace.step("go to exec");
    if (trace.on()) log_lines(trace.text(), "start", trace_line);
    return {};
}

Result<void> Container::signal(int number, bool all) const {
    if (number < 0 || number >= NSIG)
        return fail(Code::invalid, "signal " + std::to_string(number) + " does not exist");
    if (all) return signal_all(number);
    if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) != 0 && errno != ESRCH)
        return fail_errno("send signal " + std::to_string(number) + " to container \"" + id_ + "\"");
    return {};
}

Result<void> Container::signal_all(int number) const {
    if (!cgroups_) {
        // The end of a pid namespace's first process is the end of all in it.
        if (number == SIGKILL && own_pids_) return signal(number, false);
        return fail(Code::unsupported, "container \"" + id_ + "\" has no cgroup by which to find all its processes");
    }
    GANTRY_TRY(const auto pids, cgroups_.pids());
    for (const int pid : pids)
        if (::kill(pid, number) != 0 && errno != ESRCH)
            return fail_errno("send signal " + std::to_string(number) + " to process " + std::to_string(pid));
    return {};
}

}  // namespace gantry::native
