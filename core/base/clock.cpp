#include "core/base/clock.hpp"

#include <ctime>

#include <cstdio>

#include "core/base/files.hpp"

namespace gantry {
namespace {
std::int64_t read_clock(clockid_t id) {
    timespec now{};
    ::clock_gettime(id, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}
}  // namespace

std::int64_t wall_clock_ns() { return read_clock(CLOCK_REALTIME); }
std::int64_t monotonic_ns() { return read_clock(CLOCK_MONOTONIC); }

std::string rfc3339(std::int64_t wall_ns) {
    if (wall_ns <= 0) return "0001-01-01T00:00:00Z";
    std::time_t seconds = wall_ns / 1'000'000'000;
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    char text[64];
    std::size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    std::snprintf(text + n, sizeof text - n, ".%09ldZ", static_cast<long>(wall_ns % 1'000'000'000));
    return text;
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
    std::string copy(text);
    std::tm utc{};
    const char* rest = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
    if (!rest) return std::nullopt;
    std::int64_t fraction = 0;
    if (*rest == '.') {
        std::int64_t unit = 100'000'000;
        for (++rest; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10) fraction += (*rest - '0') * unit;
    }
    std::int64_t offset = 0;
    if (*rest == '+' || *rest == '-') {
        int hours = 0, minutes = 0, used = 0;
        if (std::sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || rest[1 + used] != '\0')
            return std::nullopt;
        offset = (hours * 3600 + minutes * 60) * (*rest == '+' ? 1 : -1);
    } else if ((*rest == 'Z' || *rest == 'z') && rest[1] == '\0') {
        // UTC
    } else if (*rest != '\0') {
        return std::nullopt;
    }
    return (std::int64_t{::timegm(&utc)} - offset) * 1'000'000'000 + fraction;
}

const std::string& boot_id() {
    static const std::string id = [] {
        auto text = read_file("/proc/sys/kernel/random/boot_id", 64);
        return text ? text->substr(0, text->find('\n')) : std::string("unknown");
    }();
    return id;
}

}  // namespace gantry
