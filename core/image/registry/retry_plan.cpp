#include "core/image/registry/retry_plan.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <string>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"

namespace gantry::image::registry {

bool is_transient_status(int status) {
    return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

std::optional<std::int64_t> RetryPlan::next(std::string_view retry_after) {
    if (++failed_ >= attempts_) return std::nullopt;
    std::int64_t wait = std::min<std::int64_t>(std::int64_t{500} << std::min(failed_ - 1, 6), 30'000);
    // Clients that failed together shall not come back together.
    wait += wait * (monotonic_ns() / 1000 % 41 - 20) / 100;
    if (retry_after.empty()) return wait;
    std::int64_t asked = 0;
    if (auto seconds = parse_int(trim(retry_after)))
        asked = std::clamp<std::int64_t>(*seconds, 0, 1'000'000) * 1000;
    else if (const std::time_t at = curl_getdate(std::string(retry_after).c_str(), nullptr); at > 0)
        asked = static_cast<std::int64_t>(at) * 1000 - wall_clock_ns() / 1'000'000;
    if (asked > longest_wait_ms) return std::nullopt;
    return std::max(wait, asked);
}

}  // namespace gantry::image::registry
