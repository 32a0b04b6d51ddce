// When a request that failed for the moment is sent again.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace gantry::image::registry {

// A registry that asks for more patience than this is taken to have refused.
inline constexpr std::int64_t longest_wait_ms = 60'000;

class RetryPlan {
public:
    explicit RetryPlan(int attempts) : attempts_(attempts) {}
    // Milliseconds to wait before the next attempt: from half a second on, doubled each time up to 30 s, a fifth more or
    // less by chance; or what Retry-After says (seconds or a date), where that is longer. nullopt: give up.
    std::optional<std::int64_t> next(std::string_view retry_after = {});
    // Bytes have come: the attempts count from the beginning.
    void progress() { failed_ = 0; }

private:
    const int attempts_;
    int failed_ = 0;
};

// Answers that may be others in a moment: 408, 429, 500, 502, 503, 504.
bool is_transient_status(int status);

}  // namespace gantry::image::registry
