// Clocks. Deadlines and back-off use monotonic_ns (CLOCK_MONOTONIC: no step moves it); what users see uses
// wall_clock_ns.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gantry {

// Nanoseconds since 1970-01-01 UTC (CLOCK_REALTIME).
std::int64_t wall_clock_ns();
// Nanoseconds of CLOCK_MONOTONIC.
std::int64_t monotonic_ns();
// "2026-01-02T03:04:05.123456789Z". Zero and less give "0001-01-01T00:00:00Z", Docker's word for "never".
std::string rfc3339(std::int64_t wall_ns);
// The reverse; also takes an offset such as +02:00 and fewer fraction digits. nullopt: not such a time.
std::optional<std::int64_t> parse_rfc3339(std::string_view text);
// The kernel's boot id (/proc/sys/kernel/random/boot_id), read once. Differs after each boot.
const std::string& boot_id();

}  // namespace gantry
