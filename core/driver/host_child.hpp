// One gantry-driver-host, from its start to its end.
#pragma once
#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/driver/frame.hpp"
#include "core/driver/hosted.hpp"

namespace gantry::driver {

class HostChild {
public:
    // Starts the program (posix_spawn, never fork). The process dies with the thread that calls this, so the caller must
    // be one that stays.
    // `instance` is for people who look at a list of processes.
    static Result<std::unique_ptr<HostChild>> start(const Settings& settings, const std::string& instance);
    // Kills the process if it still runs, and collects it.
    ~HostChild();

    // What to do with frames that are not the answer to load or open ("log", "spawn", "event").
    std::function<void(Message)> on_frame;

    // The process verifies and loads `file`; refused: why, from there.
    Result<DescribedFile> load(const std::string& file, const std::string& instance);
    // Opens the driver; gives the ids of the tables it offers.
    Result<std::vector<std::string>> open(const Json& config);
    // Asks it to close the driver and end, waits that long, then kills it. Gives how it ended.
    std::string end(int timeout_ms);
    // Kills and collects it. "ended by signal 9", "exited with status 1".
    std::string collect();

    pid_t pid() const { return pid_; }
    int socket() const { return socket_->get(); }
    int pidfd() const { return pidfd_.get(); }  // readable once the process has ended
    // The socket, for threads that may outlive this object.
    std::shared_ptr<const UniqueFd> shared_socket() const { return socket_; }

private:
    HostChild() = default;
    Result<Message> answer(std::string_view type, int timeout_ms, const std::string& doing);

    pid_t pid_ = -1;
    UniqueFd pidfd_;
    std::shared_ptr<const UniqueFd> socket_;
    std::string ended_;
};

}  // namespace gantry::driver
