// How people read times and sizes.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace gantry::cli {

// "About a minute", "3 hours", "2 weeks"; of a span in seconds.
std::string human_duration(double seconds);
// "5 minutes ago" for seconds since 1970; "N/A" for zero and less.
std::string human_ago(std::int64_t unix_seconds);
// 1000-based, three digits unless told: "12.3MB"; `binary`: 1024-based, four digits: "12.34MiB".
std::string human_size(double bytes, int digits = 3);
std::string human_size_binary(double bytes);
// The first `width` characters, the last of them "…" where something was cut.
std::string shorten(std::string_view text, std::size_t width);
// "sha256:0123456789ab..." -> "0123456789ab".
std::string short_image_id(std::string_view id);
// A time as users give it (--since): RFC 3339, a date, seconds since 1970 or a duration before now -> "sec.nanoseconds".
std::string api_timestamp(std::string_view text);
// RFC 3339 in UTC to local "2006-01-02 15:04:05 -0700 MST", as Docker shows times.
std::string local_time(std::int64_t unix_seconds);

}  // namespace gantry::cli
