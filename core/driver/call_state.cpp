#include "core/driver/call_state.hpp"

#include <fcntl.h>

#include <array>
#include <mutex>
#include <unordered_map>

#include "core/base/clock.hpp"
#include "core/base/log.hpp"

namespace gantry::driver {
namespace {

// Calls without a deadline tell the driver this.
constexpr std::int64_t no_deadline_ms = 3'600'000;

struct Calls {
    std::mutex mutex;
    std::uint64_t last = 0;
    std::unordered_map<std::uint64_t, std::shared_ptr<CallState>> open;
    // Who answered lately, so that a second answer can be laid at its door.
    std::array<std::pair<std::uint64_t, std::shared_ptr<const std::string>>, 256> answered;
};

Calls& calls() {
    // Never destroyed: a driver's thread may reply while the process ends.
    static Calls& instance = *new Calls;
    return instance;
}

// Multiples of 16, for drivers that keep marks in a pointer's low bits.
std::uint64_t number_of(const gantry_call* call) { return reinterpret_cast<std::uint64_t>(call) / 16; }

std::shared_ptr<CallState> take_call(const gantry_call* call, std::shared_ptr<const std::string>& answered_by) {
    Calls& all = calls();
    const std::uint64_t number = number_of(call);
    std::lock_guard lock(all.mutex);
    auto& slot = all.answered[number % all.answered.size()];
    auto found = all.open.find(number);
    if (found == all.open.end()) {
        if (slot.first == number) answered_by = slot.second;
        return nullptr;
    }
    std::shared_ptr<CallState> state = std::move(found->second);
    all.open.erase(found);
    slot = {number, state->driver};
    return state;
}

void accept(CallState& state, gantry_status status, gantry_str json, const int* fds, std::uint32_t count) {
    state.status = status;
    if (json.len > max_reply_bytes) {
        state.defect =
            "answered with " + std::to_string(json.len) + " bytes, more than " + std::to_string(max_reply_bytes);
        return;
    }
    if (json.len && !json.ptr) {
        state.defect = "answered with a text of " + std::to_string(json.len) + " bytes at NULL";
        return;
    }
    if (json.len) state.json.assign(json.ptr, json.len);
    if (count > max_reply_fds || (count && !fds)) {
        state.defect =
            "answered with " + std::to_string(count) + " descriptors, more than " + std::to_string(max_reply_fds);
        return;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        UniqueFd copy(::fcntl(fds[i], F_DUPFD_CLOEXEC, 3));
        if (!copy) {
            state.defect = "answered with descriptor " + std::to_string(fds[i]) + ": " + std::strerror(errno);
            return;
        }
        state.reply_fds.push_back(std::move(copy));
    }
}

}  // namespace

Result<void> CallState::own_fds(const std::vector<int>& borrowed) {
    for (int fd : borrowed) {
        UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
        if (!copy) return fail_errno("lend descriptor " + std::to_string(fd) + " to driver \"" + *driver + "\"");
        fds.push_back(copy.get());
        owned.push_back(std::move(copy));
    }
    return {};
}

gantry_call* register_call(std::shared_ptr<CallState> state) {
    Calls& all = calls();
    std::lock_guard lock(all.mutex);
    std::uint64_t number = ++all.last;
    all.open.emplace(number, std::move(state));
    return reinterpret_cast<gantry_call*>(number * 16);
}

std::shared_ptr<CallState> find_call(const gantry_call* call) {
    Calls& all = calls();
    std::lock_guard lock(all.mutex);
    auto found = all.open.find(number_of(call));
    return found == all.open.end() ? nullptr : found->second;
}

void reply_to_call(gantry_call* call, gantry_status status, gantry_str json, const int* fds,
                   std::uint32_t count) noexcept {
    std::shared_ptr<const std::string> answered_by;
    std::shared_ptr<CallState> state = take_call(call, answered_by);
    try {
        if (!state) {
            log::warn("a driver answered a call that was answered already; dropped",
                      {{"driver", answered_by ? *answered_by : "unknown"}});
            return;
        }
        accept(*state, status, json, fds, count);
    } catch (const std::exception& e) {
        state->defect = std::string("answered, and that failed: ") + e.what();
    }
    if (state->on_reply) state->on_reply(*state);
}

std::int32_t call_cancelled(const gantry_call* call) noexcept {
    std::shared_ptr<CallState> state = find_call(call);
    if (!state || state->cancelled.load(std::memory_order_relaxed)) return 1;
    std::int64_t deadline = state->deadline_ns.load(std::memory_order_relaxed);
    return deadline != 0 && monotonic_ns() >= deadline;
}

std::int64_t call_remaining_ms(const gantry_call* call) noexcept {
    std::shared_ptr<CallState> state = find_call(call);
    if (!state || state->cancelled.load(std::memory_order_relaxed)) return 0;
    std::int64_t deadline = state->deadline_ns.load(std::memory_order_relaxed);
    return deadline == 0 ? no_deadline_ms : (deadline - monotonic_ns()) / 1'000'000;
}

}  // namespace gantry::driver
