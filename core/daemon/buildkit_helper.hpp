// Keeps gantry-buildkit, which speaks gRPC with clients of BuildKit in this process's place: started when such a client comes, it
// takes their connections, and ends by itself when none is left (core/buildkit/engine_line.hpp has what is said).
#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/image/bootstrap.hpp"

namespace gantry::daemon {

class BuildkitHelper {
public:
    // What the helper asks: {"type":"build"|"usage"|"prune", ...} and the socket for the answer. Returns at once.
    using Ask = std::function<void(Json question, UniqueFd socket)>;
    // `program`: gantry-buildkit.
    BuildkitHelper(std::string program, image::Spawner spawn, Ask ask);
    // close().
    ~BuildkitHelper();
    // The program is installed.
    bool there() const;
    // Blocks until the helper has the connection. Any thread. `what` as engine_line.hpp has it, without the number.
    Result<void> hand_over(const Json& what, UniqueFd connection);
    // Ends the helper and waits until it has gone; what comes later is refused. Any thread.
    void close();

private:
    // One process of it, from its start to its end.
    struct Helper;
    Result<std::shared_ptr<Helper>> running();
    void start(const std::shared_ptr<Helper>& helper, UniqueFd theirs);
    void read(Helper& helper);

    const std::string program_;
    const image::Spawner spawn_;
    const Ask ask_;
    std::mutex mutex_;  // the three below
    std::shared_ptr<Helper> helper_;
    std::uint64_t next_number_ = 1;
    bool closing_ = false;
};

}  // namespace gantry::daemon
