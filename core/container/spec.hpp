// From a container to an OCI runtime specification (config.json), and for `exec` to a process object.
// Source: opencontainers/runtime-spec 1.0.2, schemas in its config.md and config-linux.md.
#pragma once
#include <string>
#include <vector>

#include "core/container/container.hpp"
#include "core/container/user_lookup.hpp"

namespace gantry::container {

enum class NetworkNamespace { joined = 1, host };

struct SpecInput {
    const Container* container = nullptr;
    User user;
    std::vector<std::string> capabilities;
    std::string hostname;
    std::string cgroup_path;                              // "/gantry/<id>"
    NetworkNamespace network = NetworkNamespace::joined;  // joined: the descriptor "netns" goes with the request
    std::string pid_namespace, ipc_namespace;             // "" : its own; "host"; or a path to join
    std::string uts_namespace;                            // "" or "host"
    Json seccomp;                                         // null: none, or handed over by digest
    std::string hosts_file, resolv_file, hostname_file;   // in the container's run directory
};

// Where mounts[index] of the specification comes from, for those that get a descriptor "mount:<index>".
struct MountSource {
    std::size_t index = 0;
    std::string path;                   // a file or directory of the host
    const MountPoint* point = nullptr;  // or one of the container's own mounts
};

struct Spec {
    Json config;
    std::vector<MountSource> sources;
};

Spec build_spec(const SpecInput& input);

// linux.resources without devices, for a container that runs already.
Json resource_limits(const Container& container);

// The process of `exec`: `exec_config` is the API's ExecConfig (Cmd, Env, User, WorkingDir, Tty, Privileged).
Json exec_process(const Container& container, const Json& exec_config, const User& user,
                  const std::vector<std::string>& capabilities);

// Options of --security-opt, taken apart. GANTRY_INVALID for an unknown one, with the known ones.
struct SecurityOptions {
    bool unconfined_seccomp = false, unconfined_paths = false;
    Json seccomp_profile;        // null: the default
    int no_new_privileges = -1;  // -1: the engine decides
};
Result<SecurityOptions> read_security_options(const Json& host_config);

}  // namespace gantry::container
