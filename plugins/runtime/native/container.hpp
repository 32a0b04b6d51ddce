// One container: made, started, entered, ended. In its monitor, one thread.
#pragma once
#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gantry/layer.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "cgroups.hpp"
#include "channel.hpp"
#include "seccomp.hpp"
#include "spec.hpp"

namespace gantry::native {

using Warn = std::function<void(const std::string&)>;

struct CreatePlan {
    std::string id, bundle;
    Spec spec;
    std::vector<MountPlan> root;
    bool terminal = false;
    const Fds* fds = nullptr;
    const SeccompFilter* filter = nullptr;  // must outlive the container
    const CgroupLayout* layout = nullptr;
    bool trace = false;
    Warn warn, trace_line;
};

struct ExecPlan {
    ProcessSpec process;
    bool terminal = false;
    const Fds* fds = nullptr;
    const SeccompFilter* filter = nullptr;
    bool trace = false;
    Warn warn, trace_line;
};

class Container {
public:
    struct Process {
        pid_t pid = 0;
        UniqueFd terminal;
    };
    // Everything up to the exec. Failed: nothing is left behind.
    static Result<std::unique_ptr<Container>> create(CreatePlan plan, UniqueFd& terminal);
    // Answers when the exec has succeeded, or with its failure; the process has ended then.
    Result<void> start(const Warn& trace_line);
    Result<Process> exec(ExecPlan plan) const;
    Result<void> signal(int number, bool all) const;

    pid_t pid() const { return pid_; }
    const Cgroups& cgroups() const { return cgroups_; }
    // The mount namespace, if it is the container's own: with it go the mounts.
    UniqueFd take_mounts() { return std::move(mounts_); }

private:
    Container() = default;
    Result<void> signal_all(int number) const;

    std::string id_;
    pid_t pid_ = 0;
    UniqueFd pidfd_, mounts_;
    Channel channel_;  // open until started
    Cgroups cgroups_;
    bool user_namespace_ = false, own_pids_ = false, trace_ = false;
    std::uint64_t joinable_ = 0;  // CLONE_NEW* of the namespaces in which it differs from the host
};

}  // namespace gantry::native
