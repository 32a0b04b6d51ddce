#include "setup.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <unistd.h>

#include "devices.hpp"
#include "kernel.hpp"
#include "masks.hpp"
#include "mounts.hpp"
#include "namespaces.hpp"
#include "rootfs.hpp"
#include "sysctls.hpp"
#include "terminal.hpp"
#include "trace.hpp"

namespace gantry::native {
namespace {

class Setup {
public:
    Setup(SetupPlan& plan, const Channel& channel)
        : plan_(plan), spec_(*plan.spec), channel_(channel), trace_(plan.trace) {}

    Result<void> run() {
        GANTRY_CHECK(begin_process());
        close_inherited();
        GANTRY_CHECK(set_oom_score(spec_.process));
        if (spec_.fresh(NamespaceKind::user)) {
            GANTRY_CHECK(channel_.expect(Channel::Kind::mapped));
            GANTRY_CHECK(become_namespace_root());
            // The change of user undid it.
            GANTRY_CHECK(begin_process());
        }
        for (const auto& [kind, fd] : plan_.joined) GANTRY_CHECK(join_namespace(fd.get(), kind));
        GANTRY_CHECK(set_names(spec_));
        trace_.step("child: born, namespaces joined");
        GANTRY_CHECK(isolate_mounts());
        GANTRY_TRY(null_, open_null(O_PATH));
        trace_.step("child: mounts isolated");
        GANTRY_CHECK(mount_root());
        trace_.step("child: root");
        GANTRY_CHECK(mount_all());
        GANTRY_CHECK(add_devices(root_.get(), spec_.devices, method()));
        GANTRY_CHECK(make_working_directory());
        if (plan_.process.terminal) GANTRY_CHECK(open_terminal());
        trace_.step("child: terminal, cwd");
        GANTRY_CHECK(mask_paths(root_.get(), spec_.masked, null_.get()));
        GANTRY_CHECK(make_paths_read_only(root_.get(), spec_.read_only));
        trace_.step("child: masks");
        GANTRY_CHECK(finish_root());
        trace_.step("child: pivot");
        GANTRY_CHECK(write_sysctls(spec_.sysctls));
        if (spec_.personality != unset && ::personality(static_cast<unsigned long>(spec_.personality)) < 0)
            return fail_errno("set the personality");
        trace_.step("child: sysctls");
        if (trace_.on()) GANTRY_CHECK(channel_.send(Channel::Kind::trace, trace_.text()));
        // Nothing of the host stays open while it waits.
        release();
        GANTRY_CHECK(set_up_stdio(plan_.process, channel_));
        GANTRY_CHECK(channel_.send(Channel::Kind::ready));
        GANTRY_CHECK(channel_.expect(Channel::Kind::go));
        return {};
    }

private:
    NodeMethod method() const { return spec_.fresh(NamespaceKind::user) ? NodeMethod::bind : NodeMethod::mknod; }

    // The monitor's own descriptors have no business here.
    void close_inherited() {
        std::vector<int> keep{channel_.fd(), plan_.root_tree.get()};
        for (const int fd : plan_.process.stdio) keep.push_back(fd);
        for (const UniqueFd& source : plan_.sources) keep.push_back(source.get());
        for (const auto& [kind, fd] : plan_.joined) keep.push_back(fd.get());
        close_all_but(std::move(keep));
    }

    Result<void> mount_root() {
        if (plan_.root_tree) {
            root_ = std::move(plan_.root_tree);
        } else {
            auto tree = make_root_tree(*plan_.root);
            if (!tree && tree.error().system_errno == EOPNOTSUPP && tree.error().code == Code::unsupported) {
                GANTRY_TRY(root_, mount_root_by_path(*plan_.root, plan_.bundle));
                return {};
            }
            if (!tree) return std::move(tree).error();
            root_ = std::move(tree).value();
        }
        GANTRY_TRY(const UniqueFd place, open_at(AT_FDCWD, plan_.bundle, O_PATH | O_DIRECTORY));
        return attach_tree(root_.get(), place.get(), "/");
    }

    // Mounts of cgroups, and what lies on top of them, wait until the monitor has made the groups: it does that while
    // this process makes all others.
    Result<void> mount_all() {
        std::vector<std::size_t> later;
        std::string cgroup_place;
        for (std::size_t i = 0; i < spec_.mounts.size(); ++i) {
            const MountSpec& mount = spec_.mounts[i];
            const std::string clean = clean_relative(mount.destination);
            const bool of_cgroups = mount.type == "cgroup" || mount.type == "cgroup2";
            if (of_cgroups) cgroup_place = clean;
            if (of_cgroups || (!cgroup_place.empty() && clean.starts_with(cgroup_place + "/"))) {
                later.push_back(i);
                continue;
            }
            GANTRY_CHECK(mount_one(i));
        }
        trace_.step("child: mounts");
        GANTRY_CHECK(join_cgroups());
        trace_.step("child: cgroup namespace");
        for (const std::size_t i : later) GANTRY_CHECK(mount_one(i));
        trace_.step("child: cgroup mounts");
        return {};
    }

    Result<void> mount_one(std::size_t index) {
        const MountSpec& mount = spec_.mounts[index];
        GANTRY_TRY(const UniqueFd tree,
                   place_mount(root_.get(), mount, std::move(plan_.sources[index]), plan_.cgroups));
        if (clean_relative(mount.destination) == "dev" && mount.type == "tmpfs")
            GANTRY_CHECK(fill_dev(tree.get(), method()));
        return {};
    }

    Result<void> join_cgroups() {
        if (plan_.cgroups) {
            GANTRY_TRY(const Channel::Message made, channel_.expect(Channel::Kind::cgroups));
            trace_.step("child: cgroups awaited");
            GANTRY_CHECK(join_v1(made.fds));
            trace_.step("child: cgroups joined");
        }
        if (spec_.fresh(NamespaceKind::cgroup) && ::unshare(CLONE_NEWCGROUP) != 0)
            return fail_errno("make a cgroup namespace");
        return {};
    }

    Result<void> make_working_directory() {
        auto made = make_directories_in_root(root_.get(), spec_.process.cwd);
        // In a read-only root it must be there; entering it will tell.
        if (made || made.error().system_errno == EROFS || made.error().system_errno == ELOOP ||
            made.error().system_errno == ENOTDIR)
            return {};
        return std::move(made).error();
    }

    Result<void> open_terminal() {
        GANTRY_TRY(pty_, open_pty(root_.get(), spec_.process.rows, spec_.process.columns));
        GANTRY_CHECK(place_console(root_.get(), pty_.peer.get()));
        GANTRY_CHECK(channel_.send(Channel::Kind::terminal, "", {pty_.master.get()}));
        pty_.master.reset();
        plan_.process.stdio = {pty_.peer.get(), pty_.peer.get(), pty_.peer.get()};
        return {};
    }

    Result<void> finish_root() {
        if (spec_.root_read_only) GANTRY_CHECK(set_attributes(root_.get(), MOUNT_ATTR_RDONLY, 0, 0, Depth::one));
        GANTRY_CHECK(enter_root(root_.get()));
        std::string_view propagation = spec_.root_propagation;
        if (propagation.empty() || propagation == "private" || propagation == "rprivate" || propagation == "slave" ||
            propagation == "rslave")
            return {};
        const bool recursive = propagation[0] == 'r';
        if (recursive) propagation.remove_prefix(1);
        if (propagation != "shared" && propagation != "unbindable")
            return fail(Code::invalid, "root propagation \"" + spec_.root_propagation + "\" is not known");
        return set_attributes(root_.get(), 0, 0, propagation == "shared" ? MS_SHARED : MS_UNBINDABLE,
                              recursive ? Depth::tree : Depth::one);
    }

    void release() {
        root_.reset();
        null_.reset();
        plan_.sources.clear();
        plan_.joined.clear();
    }

    SetupPlan& plan_;
    const Spec& spec_;
    const Channel& channel_;
    Trace trace_;
    UniqueFd root_, null_;
    Pty pty_;
};

}  // namespace

int exit_status_of(const Error& error) {
    return error.code == Code::not_found ? 127 : error.code == Code::denied || error.code == Code::invalid ? 126 : 125;
}

void become_container(SetupPlan& plan, const Channel& channel) {
    Setup setup(plan, channel);
    Error failure;
    if (auto done = setup.run(); !done)
        failure = std::move(done).error();
    else
        failure = run_program(plan.process, channel);
    channel.send_error(failure);
    ::_exit(exit_status_of(failure));
}

}  // namespace gantry::native
