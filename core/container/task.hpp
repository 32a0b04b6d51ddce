// A process that runs once, to its end, in a root file system that the caller has made: a build's step. It is confined
// as any container is, has a network like any other, and leaves nothing: no record, no log, no layer of its own.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::container {

struct TaskMount {
    std::string destination;                 // absolute path inside
    UniqueFd source;                         // O_PATH, or a detached mount; none: a tmpfs
    bool writable = false;                   // of a source
    std::vector<std::string> tmpfs_options;  // "size=64m", "mode=1777"
};

struct Task {
    std::string id;  // 64 hex digits (new_id)
    // As of POST /containers/create, but for what names images, volumes or ports: Cmd, Env, User, WorkingDir,
    // HostConfig.{NetworkMode, ExtraHosts, ShmSize, Ulimits, CgroupParent, Privileged, ...}.
    Json body;
    Json root;                      // the plan of the root's mounts (abi/layer.h)
    std::vector<TaskMount> mounts;  // parents first
    UniqueFd out, error;            // ends of pipes: closed when the process and all that it started are gone
};

struct TaskEnd {
    int exit_code = 0;  // 0..255, 128 + signal
    bool oom_killed = false;
};

// Is told, once the process can be killed, of how; and may call it from any thread until run_task has returned.
using OnTaskStart = std::function<void(std::function<void()> kill)>;

}  // namespace gantry::container
