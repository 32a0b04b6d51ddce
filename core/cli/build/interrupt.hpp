// Signals that end a build in order: what it made here is taken away, the engine hears of it.
#pragma once
#include <signal.h>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::cli {

// SIGINT, SIGTERM, SIGHUP and SIGWINCH are read here while the object lives.
class Interrupt {
public:
    static Result<Interrupt> create();
    Interrupt(Interrupt&&) noexcept = default;
    Interrupt& operator=(Interrupt&&) = delete;
    ~Interrupt();

    // Readable when a signal came.
    int fd() const { return fd_.get(); }
    // Takes what came. The signal that asks to end, 0 for none.
    int take();
    // Waits until `fd` is ready for `events` (poll(2)). GANTRY_CANCELLED: a signal asked to end first.
    Result<void> wait(int fd, short events);

private:
    Interrupt() = default;
    UniqueFd fd_;
    sigset_t before_{};
    int ended_by_ = 0;
};

}  // namespace gantry::cli
