#include "core/cli/units.hpp"

#include <cmath>
#include <cstdio>
#include <ctime>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"

namespace gantry::cli {
namespace {

std::string plural(std::int64_t count, const char* unit) { return std::to_string(count) + " " + unit; }

std::string scaled(double value, double base, const char* const* units, std::size_t count, int digits) {
    std::size_t unit = 0;
    while (value >= base && unit + 1 < count) {
        value /= base;
        ++unit;
    }
    char text[64];
    std::snprintf(text, sizeof text, "%.*g%s", digits, value, units[unit]);
    return text;
}

}  // namespace

std::string human_duration(double seconds) {
    auto whole = static_cast<std::int64_t>(seconds);
    if (whole < 1) return "Less than a second";
    if (whole == 1) return "1 second";
    if (whole < 60) return plural(whole, "seconds");
    std::int64_t minutes = whole / 60;
    if (minutes == 1) return "About a minute";
    if (minutes < 60) return plural(minutes, "minutes");
    auto hours = static_cast<std::int64_t>(std::lround(seconds / 3600));
    if (hours == 1) return "About an hour";
    if (hours < 48) return plural(hours, "hours");
    if (hours < 24 * 7 * 2) return plural(hours / 24, "days");
    if (hours < 24 * 30 * 2) return plural(hours / 24 / 7, "weeks");
    if (hours < 24 * 365 * 2) return plural(hours / 24 / 30, "months");
    return plural(static_cast<std::int64_t>(seconds / 3600) / 24 / 365, "years");
}

std::string human_ago(std::int64_t unix_seconds) {
    if (unix_seconds <= 0) return "N/A";
    double now = static_cast<double>(wall_clock_ns()) / 1e9;
    return human_duration(std::max(0.0, now - static_cast<double>(unix_seconds))) + " ago";
}

std::string human_size(double bytes, int digits) {
    static constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    return scaled(bytes, 1000, units, 7, digits);
}

std::string human_size_binary(double bytes) {
    static constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    return scaled(bytes, 1024, units, 7, 4);
}

std::string shorten(std::string_view text, std::size_t width) {
    std::size_t characters = 0, cut = text.size();
    for (std::size_t i = 0; i < text.size(); ++i) {
        if ((static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) continue;
        if (characters == width - 1) cut = i;
        ++characters;
    }
    if (characters <= width) return std::string(text);
    return std::string(text.substr(0, cut)) + "…";
}

std::string short_image_id(std::string_view id) {
    std::size_t colon = id.find(':');
    if (colon != std::string_view::npos) id.remove_prefix(colon + 1);
    return std::string(id.substr(0, 12));
}

std::string api_timestamp(std::string_view text) {
    auto stamp = [](std::int64_t ns) {
        char out[48];
        std::snprintf(out, sizeof out, "%lld.%09lld", static_cast<long long>(ns / 1000000000),
                      static_cast<long long>(ns % 1000000000));
        return std::string(out);
    };
    if (auto span = parse_duration(text); span && text != "0") return stamp(wall_clock_ns() - *span);
    if (text.find('T') != std::string_view::npos || text.find('-', 1) != std::string_view::npos) {
        std::string full(text);
        if (full.find('T') == std::string::npos) full += "T00:00:00";
        if (auto time = parse_rfc3339(full)) return stamp(*time);
        // Without an offset a time is local, as in Docker.
        std::tm parts{};
        for (const char* format : {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H"}) {
            parts = {};
            const char* end = ::strptime(full.c_str(), format, &parts);
            if (!end || *end) continue;
            parts.tm_isdst = -1;
            return stamp(static_cast<std::int64_t>(std::mktime(&parts)) * 1000000000);
        }
    }
    return std::string(text);
}

std::string local_time(std::int64_t unix_seconds) {
    std::time_t time = unix_seconds;
    std::tm parts{};
    ::localtime_r(&time, &parts);
    char text[64];
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z %Z", &parts);
    return text;
}

}  // namespace gantry::cli
