// An SSH agent for the length of one build, for keys that are given as files: OpenSSH's own, which reads every form of key.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include <gantry/result.hpp>

#include "core/cli/build/context.hpp"
#include "core/cli/child.hpp"

namespace gantry::cli {

// Gone, with the keys in it, when the object goes.
class KeyAgent {
public:
    // Starts it and adds the keys; for a passphrase the user is asked, where there is a terminal. GANTRY_NOT_FOUND: ssh-agent or
    // ssh-add is not installed; GANTRY_INVALID: a key that cannot be added.
    static Result<std::shared_ptr<KeyAgent>> start(const std::vector<std::string>& keys);
    const std::string& socket() const { return socket_; }

private:
    TemporaryDirectory directory_;
    std::string socket_;
    Child agent_;  // last: it ends before its directory goes
};

// Whether the file begins as a private key does. An error: it cannot be read.
Result<bool> is_private_key(const std::string& path);

}  // namespace gantry::cli
