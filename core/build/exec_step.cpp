#include "core/build/exec_step.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/failpoint.hpp"
#include "core/base/file_copy.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"
#include "core/build/copy_files.hpp"
#include "core/build/mount_points.hpp"
#include "core/build/process_output.hpp"
#include "core/container/subtree.hpp"
#include "core/container/rootfs_view.hpp"

namespace gantry::build {
namespace {

// What a container has mounted whatever is asked for (core/container/spec.cpp).
const std::vector<MountPoints::Place> always = {{"/proc", true},          {"/dev", true},
                                                {"/sys", true},           {"/etc/resolv.conf", false},
                                                {"/etc/hostname", false}, {"/etc/hosts", false}};

std::string command_text(const std::vector<std::string>& argv) {
    std::string text;
    for (const std::string& word : argv) text += (text.empty() ? "" : " ") + word;
    return text.size() > 1000 ? text.substr(0, 1000) + "..." : text;
}

bool is_directory(int fd) {
    struct stat info {};
    return ::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace

ExecStep::~ExecStep() {
    relays_.clear();
    mounts_.clear();
    for (const std::string* made : {&directory_, &run_})
        if (!made->empty()) (void)remove_tree(*made);
}

// Made when a mount needs it: most steps do not.
Result<std::string> ExecStep::directory() {
    if (directory_.empty()) {
        directory_ = with_.scratch + "/" + id_;
        GANTRY_CHECK(make_directories(directory_, 0700));
    }
    return directory_;
}

// A file of the engine's own, in memory where the run directory is: gone with the step.
Result<UniqueFd> ExecStep::own_file(const std::string& content, mode_t mode, const Mount& mount) {
    if (run_.empty()) {
        run_ = with_.run + "/" + id_;
        GANTRY_CHECK(make_directories(run_, 0700));
    }
    const std::string path = run_ + "/" + std::to_string(mounts_.size());
    UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) return fail_errno("make \"" + path + "\"");
    GANTRY_CHECK(write_all(file.get(), content));
    if (::fchown(file.get(), mount.uid, mount.gid) != 0 || ::fchmod(file.get(), mount.mode.value_or(mode)) != 0)
        return fail_errno("set the attributes of \"" + path + "\"");
    return open_file(path, O_PATH);
}

// A tree of files must stay as it is: what the step writes goes into a directory over it, or into a copy of the file.
Result<UniqueFd> ExecStep::writable_copy(const Mount& mount, const Tree& tree) {
    GANTRY_TRY(UniqueFd source, open_in_root(tree.root(), mount.source, O_PATH));
    GANTRY_TRY(std::string base, directory());
    base += "/" + std::to_string(mounts_.size());
    GANTRY_CHECK(make_directories(base, 0700));
    if (is_directory(source.get())) {
        for (const char* name : {"/upper", "/work"}) GANTRY_CHECK(make_directories(base + name, 0755));
        return container::open_rootfs(Json::array({{{"type", "overlay"},
                                                    {"source", ""},
                                                    {"options", Json::array()},
                                                    {"lower", {"/proc/self/fd/" + std::to_string(source.get())}},
                                                    {"upper", base + "/upper"},
                                                    {"work", base + "/work"},
                                                    {"fs_options", Json::array()}}}),
                                      container::Access::read_write);
    }
    GANTRY_TRY(UniqueFd in, open_file("/proc/self/fd/" + std::to_string(source.get()), O_RDONLY | O_NONBLOCK));
    struct stat info {};
    if (::fstat(in.get(), &info) != 0 || !S_ISREG(info.st_mode))
        return fail(Code::invalid, "\"" + mount.source + "\" is neither a file nor a directory");
    UniqueFd out(::open((base + "/file").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!out) return fail_errno("make a copy of \"" + mount.source + "\"");
    GANTRY_CHECK(copy_content(in.get(), out.get(), info.st_size, mount.source));
    if (::fchmod(out.get(), info.st_mode & 07777) != 0) return fail_errno("set a mode");
    return open_file(base + "/file", O_PATH);
}

Result<UniqueFd> ExecStep::bind_source(const Mount& mount, const Value& value) {
    if (value.tree) {
        trees_.push_back(value.tree);
        if (mount.writable) return writable_copy(mount, *value.tree);
        return open_in_root(value.tree->root(), mount.source, O_PATH);
    }
    auto work = mount.writable ? layers_.prepare(value.top()) : layers_.view(value.top());
    if (!work) return std::move(work).error();
    views_.push_back(std::move(*work));
    return container::open_subtree(views_.back().mounts(), mount.source,
                                   mount.writable ? container::Access::read_write : container::Access::read_only);
}

Result<void> ExecStep::add_mount(const Mount& mount, const std::function<Result<Value>(const Mount&)>& from) {
    container::TaskMount wanted;
    wanted.destination = mount.target;
    wanted.writable = mount.writable;
    bool is_dir = true;
    switch (mount.kind) {
    case Mount::Kind::bind: {
        GANTRY_TRY(Value value, from(mount));
        GANTRY_TRY(wanted.source, bind_source(mount, value));
        is_dir = is_directory(wanted.source.get());
        break;
    }
    case Mount::Kind::cache: {
        bool fresh = false;
        GANTRY_TRY(auto lease, with_.cache_mounts.take(mount, cancel_, &fresh));
        if (fresh && mount.from) {
            // It begins with what the tree has at `source`.
            GANTRY_TRY(Value value, from(mount));
            Mount seed = mount;
            seed.writable = false;
            GANTRY_TRY(UniqueFd source, bind_source(seed, value));
            if (is_directory(source.get())) {
                GANTRY_TRY(FileCopier copier, FileCopier::make(lease.directory(), {}, "", {}, cancel_));
                CopyAction action;
                action.destination = "/";
                std::vector<Selected> all(1);
                all[0].directory = true;
                all[0].file = std::move(source);
                GANTRY_CHECK(copier.copy(action, all).context("fill cache mount \"" + mount.id + "\""));
            }
        }
        wanted.source.reset(::fcntl(lease.directory(), F_DUPFD_CLOEXEC, 3));
        leases_.push_back(std::move(lease));
        break;
    }
    case Mount::Kind::tmpfs:
        wanted.tmpfs_options = {"mode=1777"};
        if (mount.size > 0) wanted.tmpfs_options.push_back("size=" + std::to_string(mount.size));
        break;
    case Mount::Kind::secret: {
        GANTRY_TRY(auto secret, client_.secret(mount.id));
        if (!secret) {
            if (mount.required) return fail(Code::not_found, "secret \"" + mount.id + "\": not found");
            return {};
        }
        if (!mount.env.empty()) more_env_.push_back(mount.env + "=" + *secret);
        if (mount.target.empty()) return {};
        GANTRY_TRY(wanted.source, own_file(*secret, 0400, mount));
        wanted.writable = false;
        is_dir = false;
        break;
    }
    case Mount::Kind::ssh: {
        if (run_.empty()) {
            run_ = with_.run + "/" + id_;
            GANTRY_CHECK(make_directories(run_, 0700));
        }
        const std::string path = run_ + "/" + std::to_string(mounts_.size()) + ".sock";
        auto relay = SshRelay::open(path, mount.id, mount.uid, mount.gid, mount.mode.value_or(0600), client_);
        if (!relay) {
            if (relay.error().code == Code::not_found && !mount.required) return {};
            return std::move(relay).error();
        }
        relays_.push_back(std::move(*relay));
        GANTRY_TRY(wanted.source, open_file(path, O_PATH));
        wanted.writable = true;  // connect(2) asks for it
        if (relays_.size() == 1) more_env_.push_back("SSH_AUTH_SOCK=" + mount.target);
        is_dir = false;
        break;
    }
    case Mount::Kind::inline_file: {
        GANTRY_TRY(wanted.source, own_file(mount.content, 0755, mount));
        is_dir = false;
        break;
    }
    }
    places_.emplace_back(mount.target, is_dir);
    mounts_.push_back(std::move(wanted));
    return {};
}

Json ExecStep::body(const Exec& exec) const {
    std::vector<std::string> env = exec.env;
    env.insert(env.end(), exec.unkeyed_env.begin(), exec.unkeyed_env.end());
    env.insert(env.end(), more_env_.begin(), more_env_.end());
    const char* network = exec.network == Exec::Network::none   ? "none"
                          : exec.network == Exec::Network::host ? "host"
                                                                : "default";
    return {{"Cmd", exec.argv},
            {"Env", env},
            {"User", exec.user},
            {"WorkingDir", exec.workdir},
            {"HostConfig",
             {{"NetworkMode", network},
              {"ExtraHosts", settings_.hosts},
              {"ShmSize", settings_.shm_size},
              {"Ulimits", settings_.ulimits},
              {"CgroupParent", settings_.cgroup_parent},
              {"Privileged", exec.insecure}}}};
}

Result<LayerRef> ExecStep::run(const Exec& exec, const std::string& parent,
                               const std::function<Result<Value>(const Mount&)>& from,
                               const std::function<void(const std::string& id)>& begins,
                               const std::function<void(int stream, std::string_view)>& log) {
    if (exec.network == Exec::Network::host && !settings_.network_host)
        return fail(Code::denied,
                    "network.host is not allowed: the client must ask for it (--allow network.host), and "
                    "\"build.entitlements\" of the engine must name it");
    if (exec.insecure && !settings_.insecure)
        return fail(Code::denied,
                    "security.insecure is not allowed: the client must ask for it (--allow "
                    "security.insecure), and \"build.entitlements\" of the engine must name it");
    id_ = new_id();
    // Parents first, so that one mount does not hide another.
    std::vector<const Mount*> ordered;
    for (const Mount& mount : exec.mounts) ordered.push_back(&mount);
    std::stable_sort(ordered.begin(), ordered.end(), [](const Mount* a, const Mount* b) {
        return std::count(a->target.begin(), a->target.end(), '/') <
               std::count(b->target.begin(), b->target.end(), '/');
    });
    for (const Mount* mount : ordered)
        GANTRY_CHECK(add_mount(*mount, from).context("mount on \"" + mount->target + "\""));

    GANTRY_TRY(Layers::Work work, layers_.prepare(parent));
    GANTRY_FAILPOINT("build.exec.prepared");
    MountPoints points;
    {
        GANTRY_TRY(UniqueFd root, container::open_rootfs(work.mounts(), container::Access::read_write));
        std::vector<MountPoints::Place> places = always;
        for (const auto& [path, is_dir] : places_) places.push_back({path, is_dir});
        GANTRY_CHECK(points.make(root.get(), places));
        if (!exec.workdir.empty()) GANTRY_CHECK(make_directories_in_root(root.get(), exec.workdir));
    }
    GANTRY_TRY(ProcessOutput output, ProcessOutput::open(log));
    container::Task task;
    task.id = id_;
    task.body = body(exec);
    task.root = work.mounts();
    task.mounts = std::move(mounts_);
    task.out = output.take_end(1);
    task.error = output.take_end(2);
    begins(id_);
    std::optional<Cancel::Watch> watch;
    auto end = with_.run_task(std::move(task), [&](std::function<void()> kill) { watch.emplace(cancel_, kill); });
    watch.reset();
    output.finish();
    GANTRY_CHECK(cancel_.check());
    if (!end) return std::move(end).error().context("process \"" + command_text(exec.argv) + "\"");
    if (end->exit_code != 0) {
        exit_code_ = end->exit_code;
        return fail(Code::invalid,
                    "process \"" + command_text(exec.argv) +
                        "\" did not complete successfully: exit code: " + std::to_string(end->exit_code) +
                        (end->oom_killed ? " (it was killed for want of memory)" : ""));
    }
    GANTRY_FAILPOINT("build.exec.ended");
    relays_.clear();
    {
        GANTRY_TRY(UniqueFd root, container::open_rootfs(work.mounts(), container::Access::read_write));
        points.remove(root.get());
    }
    if (settings_.epoch >= 0) GANTRY_CHECK(layers_.clamp_times(work, settings_.epoch));
    return layers_.commit(std::move(work));
}

}  // namespace gantry::build
