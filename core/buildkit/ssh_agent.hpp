// A connection to an SSH agent of a client's, through its session.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/buildkit/client_session.hpp"

namespace gantry::buildkit {

class SshAgent {
public:
    virtual ~SshAgent() = default;
    // None: the client has no agent of that id. Blocks.
    static Result<std::shared_ptr<SshAgent>> open(ClientSession& session, const std::string& id);
    // Bytes for the agent. One thread.
    virtual bool write(std::string_view bytes) = 0;
    // Gives what the agent says until either side has ended it. Another thread.
    virtual void read(const std::function<bool(std::string_view bytes)>& data) = 0;
    // Any thread.
    virtual void end() = 0;
};

}  // namespace gantry::buildkit
