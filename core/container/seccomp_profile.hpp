// Seccomp profiles: the engine's own, or one the user gave, resolved for a set of capabilities into the OCI form.
#pragma once
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::container {

struct SeccompProfile {
    std::string digest;  // names this very profile; "" : unconfined
    Json oci;            // OCI linux.seccomp: defaultAction, architectures, syscalls without includes and excludes
};

// The default profile (seccomp_rules.hpp) for a process that may have `capabilities`.
SeccompProfile default_seccomp(const std::vector<std::string>& capabilities);
// A profile in Docker's JSON form (--security-opt seccomp=...): includes, excludes, minKernel and archMap resolved.
// GANTRY_INVALID with what is wrong.
Result<SeccompProfile> resolve_seccomp(const Json& profile, const std::vector<std::string>& capabilities);

}  // namespace gantry::container
