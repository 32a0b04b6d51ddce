// One operation under way, as the engine's side of the border keeps it.
#pragma once
#include <gantry/abi/driver.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::driver {

inline constexpr std::size_t max_reply_bytes = 4u << 20;
inline constexpr std::size_t max_reply_fds = 60;

// What a driver borrows for a call, and what it answered. Kept alive by the caller, by the thread that runs the
// operation and, until the driver has replied, by the table of calls: so a driver that answers after its caller gave up
// touches nothing that is gone.
struct CallState {
    std::shared_ptr<const std::string> driver;  // the instance's name
    std::string operation;

    std::string request;          // borrowed by the driver until it replies
    std::vector<int> fds;         // likewise
    std::vector<UniqueFd> owned;  // those of fds that live as long as this: duplicates of the caller's

    std::atomic<std::int64_t> deadline_ns{0};  // CLOCK_MONOTONIC; 0: none
    std::atomic<bool> cancelled{false};
    std::atomic<int> thread{0};  // the kernel's id of the thread that runs it; 0: not yet, -1: given up before it ran

    // The outcome, written by the first reply before on_reply runs.
    gantry_status status = GANTRY_INTERNAL;
    std::string json;
    std::vector<UniqueFd> reply_fds;
    std::string defect;  // what was wrong with the reply itself; "": nothing

    // Called once, on the thread that replied. Must not throw.
    std::function<void(CallState&)> on_reply;

    // Takes duplicates of `borrowed` for the driver, which may still use them when the caller has gone.
    Result<void> own_fds(const std::vector<int>& borrowed);
};

// A gantry_call is not a pointer but a number that is never used twice: a second reply, or one to a call long gone, is
// found out by looking it up and never by touching freed memory.
gantry_call* register_call(std::shared_ptr<CallState> state);
// nullptr: no such call, or answered.
std::shared_ptr<CallState> find_call(const gantry_call* call);

// gantry_host.reply, cancelled and remaining_ms.
void reply_to_call(gantry_call* call, gantry_status status, gantry_str json, const int* fds,
                   std::uint32_t count) noexcept;
std::int32_t call_cancelled(const gantry_call* call) noexcept;
std::int64_t call_remaining_ms(const gantry_call* call) noexcept;

}  // namespace gantry::driver
