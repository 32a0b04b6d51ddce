#include "core/driver/pending.hpp"

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/base/text.hpp"

namespace gantry::driver {

// A stream that trickles for ever must end some time: at most this many times the deadline class.
constexpr int most_extensions = 100;

Pending::Pending() {
    on_reply = [](CallState& state) { static_cast<Pending&>(state).finish(); };
}

void Pending::finish() {
    bool late = false;
    {
        std::lock_guard lock(mutex_);
        answered_ = true;
        late = given_up_;
        if (!late) done_.notify_all();
    }
    if (late && answered_late) answered_late();
}

bool Pending::cancelled_by_deadline() const {
    return !failure && status == GANTRY_CANCELLED && deadline_ns != 0 && monotonic_ns() >= deadline_ns;
}

void Pending::finish(Error why) {
    {
        // Two may end one call: its reply, and the end of the process it came from. The first counts.
        std::lock_guard lock(mutex_);
        if (answered_) return;
        failure = std::move(why);
    }
    finish();
}

Pending::Outcome Pending::wait(std::int64_t period_ns, const std::function<std::optional<std::uint64_t>()>& bytes_moved,
                               const std::function<void(std::int64_t)>& extended) {
    std::optional<std::uint64_t> last = bytes_moved ? bytes_moved() : std::nullopt;
    std::unique_lock lock(mutex_);
    for (int extensions = 0;; ++extensions) {
        // steady_clock counts CLOCK_MONOTONIC here, as monotonic_ns does.
        std::chrono::steady_clock::time_point until{std::chrono::nanoseconds(deadline_ns.load())};
        if (done_.wait_until(lock, until, [&] { return answered_; })) return Outcome::answered;
        std::optional<std::uint64_t> now = bytes_moved ? bytes_moved() : std::nullopt;
        if (!now || now == last || extensions >= most_extensions) break;
        last = now;
        deadline_ns = monotonic_ns() + period_ns;
        if (extended) extended(deadline_ns);
    }
    given_up_ = true;
    cancelled = true;
    return Outcome::given_up;
}

std::optional<std::uint64_t> bytes_moved_by(const std::string& proc_io_file) {
    auto text = read_file(proc_io_file, 4096);
    if (!text) return std::nullopt;
    std::uint64_t sum = 0;
    bool any = false;
    for (std::string_view line : split(*text, '\n'))
        for (std::string_view key : {"rchar: ", "wchar: "})
            if (line.starts_with(key)) {
                sum += static_cast<std::uint64_t>(parse_int(line.substr(key.size())).value_or(0));
                any = true;
            }
    return any ? std::optional(sum) : std::nullopt;
}

}  // namespace gantry::driver
