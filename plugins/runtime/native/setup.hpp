// The inside of create: what the new process does between its birth and the exec of the container's program.
#pragma once
#include <array>
#include <utility>
#include <vector>

#include <gantry/layer.hpp>
#include <gantry/unique_fd.hpp>

#include "cgroups.hpp"
#include "channel.hpp"
#include "process.hpp"
#include "spec.hpp"

namespace gantry::native {

struct SetupPlan {
    const Spec* spec = nullptr;
    const std::vector<MountPlan>* root = nullptr;
    std::string bundle;
    ProcessPlan process;
    UniqueFd root_tree;                                      // made by the monitor where the process may not
    std::vector<UniqueFd> sources;                           // by index of spec->mounts; trees attached nowhere
    std::vector<std::pair<NamespaceKind, UniqueFd>> joined;  // namespaces to enter, pid excepted
    const Cgroups* cgroups = nullptr;                        // null: none
    bool trace = false;
};

// Never comes back. Reports over `channel`, waits there for Kind::go, and becomes the program.
[[noreturn]] void become_container(SetupPlan& plan, const Channel& channel);
// The exit status of a process that could not become its program: 127, 126 or 125, as shells and Docker have it.
int exit_status_of(const Error& error);

}  // namespace gantry::native
