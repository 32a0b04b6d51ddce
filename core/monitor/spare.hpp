// A monitor forked ahead: it waits, its pages its own already, for the container that it will hold. A start is spared the
// fork, and most of the copying of pages that follows one.
#pragma once
#include <sys/types.h>

#include <functional>
#include <memory>

#include "core/base/unix_socket.hpp"
#include "core/driver/registry.hpp"

namespace gantry::monitor {

// One process, used once. The launcher's thread.
class Spare {
public:
    // Forks. `in_child` closes there what is the launcher's own. The process ends by itself with the launcher, however
    // that ends, and with this object unless it was used. Errors: of fork(2) and socketpair(2).
    static Result<std::unique_ptr<Spare>> make(driver::Registry& registry, const std::function<void()>& in_child);

    // Gives it a "launch" message with its descriptors and the connection to answer on, all of which stay the caller's too.
    // An error: it is gone, and has not begun.
    Result<void> hand_over(const Message& launch, int connection);

    pid_t pid() const { return pid_; }
    // To be closed in the launcher's other children, or the spare outlives the launcher.
    int channel() const { return channel_.get(); }

private:
    Spare(pid_t pid, UniqueFd channel) : pid_(pid), channel_(std::move(channel)) {}
    pid_t pid_;
    UniqueFd channel_;
};

}  // namespace gantry::monitor
