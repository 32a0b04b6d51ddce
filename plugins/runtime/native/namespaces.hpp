// Namespaces: those that a container gets, those that it joins, and identities in a user namespace.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "spec.hpp"

namespace gantry::native {

// CLONE_NEW* of a kind.
std::uint64_t namespace_flag(NamespaceKind kind);
// Flags for clone3(2): all fresh namespaces but the cgroup one, which begins where the process is when it is made.
std::uint64_t clone_flags(const Spec& spec);
// Opens a namespace file and verifies that it is one of this kind.
Result<UniqueFd> open_namespace(const std::string& path, NamespaceKind kind);
Result<void> check_namespace(int fd, NamespaceKind kind);
Result<void> join_namespace(int fd, NamespaceKind kind);

// Runs in the monitor: children made while this lives are born in the namespace behind `fd`; afterwards the monitor is
// as before. Needed for what a process cannot change for itself.
class BornIn {
public:
    static Result<BornIn> enter(int fd, NamespaceKind kind);
    BornIn(BornIn&&) = default;
    BornIn& operator=(BornIn&&) = delete;
    ~BornIn();

private:
    BornIn(UniqueFd back, NamespaceKind kind) : back_(std::move(back)), kind_(kind) {}
    UniqueFd back_;
    NamespaceKind kind_;
};

// Writes uid_map and gid_map of a process in a new user namespace. In the monitor.
Result<void> write_id_maps(pid_t pid, const Spec& spec);
// Root of the new user namespace, once its maps are there.
Result<void> become_namespace_root();
Result<void> set_names(const Spec& spec);

}  // namespace gantry::native
