// A socket in a step's container that leads to an agent of the client's. One thread, joined by the destructor.
#pragma once
#include <memory>
#include <string>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/build/client.hpp"

namespace gantry::build {

class SshRelay {
public:
    // Listens at `path`, which belongs to uid:gid with `mode` and goes with this object. GANTRY_NOT_FOUND: the client has no
    // such agent.
    static Result<std::unique_ptr<SshRelay>> open(const std::string& path, const std::string& id, std::uint32_t uid,
                                                  std::uint32_t gid, mode_t mode, Client& client);
    ~SshRelay();
    SshRelay(const SshRelay&) = delete;
    SshRelay& operator=(const SshRelay&) = delete;

private:
    SshRelay() = default;
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace gantry::build
