#include "core/daemon/api/parameters.hpp"

#include <ctime>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"

namespace gantry::daemon {

namespace {

// "2026-01-31", "2026-01-31T10", "2026-01-31T10:15", "2026-01-31T10:15:30": the engine's own time of day, as Docker takes it.
std::optional<std::int64_t> parse_local_time(const std::string& text) {
    for (const char* form : {"%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"}) {
        std::tm parts{};
        const char* end = ::strptime(text.c_str(), form, &parts);
        if (!end || *end != '\0') continue;
        parts.tm_isdst = -1;
        return std::int64_t{std::mktime(&parts)} * 1'000'000'000;
    }
    return std::nullopt;
}

}  // namespace

Result<std::map<std::string, std::vector<std::string>>> read_filters(const http::Request& request) {
    std::map<std::string, std::vector<std::string>> filters;
    std::string text = request.query_value("filters");
    if (text.empty()) return filters;
    Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return fail(Code::invalid, "invalid filter: \"" + text + "\" is not a JSON object");
    for (const auto& [key, value] : json.items()) {
        auto& list = filters[key];
        if (value.is_array()) {
            for (const Json& item : value) {
                if (!item.is_string()) return fail(Code::invalid, "invalid filter '" + key + "'");
                list.push_back(item.get<std::string>());
            }
        } else if (value.is_object()) {
            for (const auto& [item, on] : value.items())
                if (on == true) list.push_back(item);
        } else {
            return fail(Code::invalid, "invalid filter '" + key + "'");
        }
    }
    return filters;
}

Result<std::optional<int>> read_number(const http::Request& request, std::string_view name) {
    std::string text = request.query_value(name);
    if (text.empty()) return std::optional<int>();
    auto value = parse_int(text);
    if (!value || *value < -2147483647 || *value > 2147483647)
        return fail(Code::invalid, "invalid value \"" + text + "\" for \"" + std::string(name) + "\": a whole number");
    return std::optional<int>(static_cast<int>(*value));
}

Result<std::string> read_detach_keys(const std::string& text) {
    if (text.empty()) return std::string("\x10\x11");
    std::string keys;
    for (std::string_view key : split(text, ',')) {
        if (key.size() == 1) {
            keys += key[0];
        } else if (key.starts_with("ctrl-") && key.size() == 6) {
            char c = key[5];
            if (c >= 'a' && c <= 'z')
                keys += static_cast<char>(c - 'a' + 1);
            else if (c == '@')
                keys += '\0';
            else if (c >= '[' && c <= '_')
                keys += static_cast<char>(c - '[' + 27);
            else
                return fail(Code::invalid, "Unknown character: '" + std::string(key) + "'");
        } else if (key == "DEL") {
            keys += '\x7f';
        } else {
            return fail(Code::invalid, "Unknown character: '" + std::string(key) + "'");
        }
    }
    return keys;
}

Result<std::int64_t> read_time(const std::string& text) {
    if (text.empty() || text == "0") return std::int64_t{0};
    std::size_t dot = text.find('.');
    if (auto seconds = parse_int(text.substr(0, dot))) {
        std::int64_t fraction = 0;
        if (dot != std::string::npos) {
            std::string digits = (text.substr(dot + 1) + "000000000").substr(0, 9);
            auto value = parse_int(digits);
            if (!value || *value < 0) return fail(Code::invalid, "invalid time \"" + text + "\"");
            fraction = *value;
        }
        return *seconds * 1'000'000'000 + fraction;
    }
    if (auto time = parse_rfc3339(text)) return *time;
    if (auto time = parse_local_time(text)) return *time;
    if (auto before = parse_duration(text)) return wall_clock_ns() - *before;
    return fail(Code::invalid, "invalid time \"" + text + "\": unix seconds, RFC 3339 or a duration such as 10m");
}

std::optional<bool> parse_filter_flag(const std::string& text) {
    const std::string value = to_lower(text);
    if (value == "true" || value == "1") return true;
    if (value == "false" || value == "0") return false;
    return std::nullopt;
}

std::optional<bool> parse_bool(const std::string& text) {
    for (const char* word : {"1", "t", "T", "true", "TRUE", "True"})
        if (text == word) return true;
    for (const char* word : {"0", "f", "F", "false", "FALSE", "False"})
        if (text == word) return false;
    return std::nullopt;
}

Result<std::vector<Json>> read_platforms(const http::Request& request, std::string_view name) {
    std::vector<Json> platforms;
    for (auto [at, end] = request.query.equal_range(std::string(name)); at != end; ++at) {
        if (at->second.empty()) continue;
        Json platform = Json::parse(at->second, nullptr, false);
        const std::string shown = quote_json(std::string_view(at->second).substr(0, 200));
        if (!platform.is_object() || platform.empty())
            return fail(Code::invalid,
                        "invalid platform " + shown + ": {\"os\", \"architecture\", \"variant\"} as JSON");
        for (const auto& [key, value] : platform.items())
            if (!value.is_string())
                return fail(Code::invalid, "invalid platform " + shown + ": \"" + key + "\" is not a text");
        platforms.push_back(std::move(platform));
    }
    return platforms;
}

}  // namespace gantry::daemon
