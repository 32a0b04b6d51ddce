// A call that somebody waits for.
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/driver/call_state.hpp"

namespace gantry::driver {

struct Pending : CallState {
    Pending();

    enum class Outcome { answered = 1, given_up };
    // Waits for the reply until deadline_ns. `bytes_moved`, where given, is asked each time the deadline passes: as long
    // as what it gives changes, the call gets `period_ns` more ("extended while bytes move", abi/layer.h); `extended` is told
    // the new deadline. Afterwards the outcome of CallState may be read if and only if it was answered.
    Outcome wait(std::int64_t period_ns, const std::function<std::optional<std::uint64_t>()>& bytes_moved = {},
                 const std::function<void(std::int64_t deadline_ns)>& extended = {});
    // Whether the driver answered that it gave the call up, and its deadline is why: the same outcome as no answer.
    bool cancelled_by_deadline() const;
    // Ends the wait with this failure instead of a reply.
    void finish(Error why);
    // What finish(why) left, if it was called.
    std::optional<Error> failure;
    // The result of a reply that came parsed, from another process; CallState.json is empty then.
    Json body;
    // Marks the call as answered; what the default on_reply does. Runs `answered_late` where the caller had given up.
    void finish();

    std::function<void()> answered_late;

private:
    std::mutex mutex_;
    std::condition_variable done_;
    bool answered_ = false, given_up_ = false;
};

// Bytes that a thread or process has read and written so far, from its /proc/.../io; nothing where the kernel gives none.
std::optional<std::uint64_t> bytes_moved_by(const std::string& proc_io_file);

}  // namespace gantry::driver
