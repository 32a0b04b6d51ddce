// Query parameters that several routes take.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/container/monitor_client.hpp"
#include "core/daemon/http/http.hpp"

namespace gantry::daemon {

// "filters": {"name": ["a"]} or the old {"name": {"a": true}}. GANTRY_INVALID in Docker's words.
Result<std::map<std::string, std::vector<std::string>>> read_filters(const http::Request& request);
// A whole number, or nothing where the parameter is absent.
Result<std::optional<int>> read_number(const http::Request& request, std::string_view name);
// "ctrl-p,ctrl-q" as the bytes that a terminal sends; "" gives Docker's default.
Result<std::string> read_detach_keys(const std::string& text);
// Unix seconds with an optional fraction, RFC 3339, a date with or without a time of day, or a duration before now;
// nanoseconds, 0 for "".
Result<std::int64_t> read_time(const std::string& text);

// The value of a filter that is a flag, as Docker takes it: true, false, 1, 0, in any case; and of a parameter that Go's
// ParseBool reads: those and t, f.
std::optional<bool> parse_filter_flag(const std::string& text);
std::optional<bool> parse_bool(const std::string& text);

// Every "platform": {"os", "architecture", "variant"} as JSON, each member a text. GANTRY_INVALID otherwise.
Result<std::vector<Json>> read_platforms(const http::Request& request, std::string_view name = "platform");

}  // namespace gantry::daemon
