#include "core/base/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include <gantry/json.hpp>

namespace gantry {

std::string quote_json(std::string_view text) {
    const std::string dumped = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
    // JSON lets stand what a terminal obeys all the same: DEL, and the C1 controls, which are 0xc2 0x80 to 0xc2 0x9f.
    std::string quoted;
    quoted.reserve(dumped.size());
    for (std::size_t at = 0; at < dumped.size(); ++at) {
        const auto byte = static_cast<unsigned char>(dumped[at]);
        const auto next = at + 1 < dumped.size() ? static_cast<unsigned char>(dumped[at + 1]) : 0;
        const bool c1 = byte == 0xc2 && next >= 0x80 && next < 0xa0;
        if (c1) ++at;
        if (c1 || byte == 0x7f)
            quoted += "\\u00" + to_hex(dumped.substr(at, 1));
        else
            quoted += dumped[at];
    }
    return quoted;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
    std::string all;
    for (const auto& part : parts) {
        if (&part != parts.data()) all += separator;
        all += part;
    }
    return all;
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string to_lower(std::string_view text) {
    std::string lower(text);
    for (char& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return lower;
}

std::optional<std::int64_t> parse_int(std::string_view text) {
    std::int64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return value;
}

std::optional<std::int64_t> parse_size(std::string_view text) {
    double value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc{} || value < 0) return std::nullopt;
    std::string suffix = to_lower(text.substr(static_cast<std::size_t>(end - text.data())));
    if (suffix.size() > 1 && suffix.ends_with("b")) suffix.pop_back();
    if (suffix.size() > 1 && suffix.ends_with("i")) suffix.pop_back();
    if (!suffix.empty() && suffix[0] == ' ') suffix.erase(0, 1);
    constexpr std::string_view units = "bkmgtp";
    std::size_t power = suffix.empty() ? 0 : suffix.size() == 1 ? units.find(suffix[0]) : std::string_view::npos;
    if (power == std::string_view::npos) return std::nullopt;
    value *= std::pow(1024.0, static_cast<double>(power));
    if (!(value < 9.2e18)) return std::nullopt;
    return static_cast<std::int64_t>(value);
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
    if (text == "0") return 0;
    bool negative = text.starts_with("-");
    if (negative || text.starts_with("+")) text.remove_prefix(1);
    if (text.empty()) return std::nullopt;
    double total = 0;
    while (!text.empty()) {
        double value = 0;
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
        if (error != std::errc{}) return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        constexpr std::pair<std::string_view, double> units[] = {{"ns", 1},  {"us", 1e3}, {"µs", 1e3},  {"ms", 1e6},
                                                                 {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
        auto unit =
            std::find_if(std::begin(units), std::end(units), [&](auto& u) { return text.starts_with(u.first); });
        if (unit == std::end(units)) return std::nullopt;
        text.remove_prefix(unit->first.size());
        total += value * unit->second;
    }
    if (!(total < 9.2e18)) return std::nullopt;
    return static_cast<std::int64_t>(negative ? -total : total);
}

std::string nearest(std::string_view word, std::span<const std::string> known) {
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
    for (const auto& candidate : known) {
        std::vector<std::size_t> row(candidate.size() + 1);
        std::iota(row.begin(), row.end(), std::size_t{0});
        for (std::size_t i = 0; i < word.size(); ++i) {
            std::size_t diagonal = row[0];
            row[0] = i + 1;
            for (std::size_t j = 0; j < candidate.size(); ++j) {
                std::size_t above = row[j + 1];
                row[j + 1] = std::min({row[j] + 1, above + 1, diagonal + (word[i] == candidate[j] ? 0u : 1u)});
                diagonal = above;
            }
        }
        if (row.back() < best_distance) {
            best_distance = row.back();
            best = candidate;
        }
    }
    return best;
}

std::string to_hex(std::string_view bytes) {
    constexpr char digits[] = "0123456789abcdef";
    std::string hex;
    hex.reserve(bytes.size() * 2);
    for (char c : bytes) {
        auto byte = static_cast<unsigned char>(c);
        hex += digits[byte >> 4];
        hex += digits[byte & 15];
    }
    return hex;
}

std::optional<std::string> from_hex(std::string_view hex) {
    if (hex.size() % 2) return std::nullopt;
    std::string bytes;
    bytes.reserve(hex.size() / 2);
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        unsigned value = 0;
        auto [end, error] = std::from_chars(hex.data() + i, hex.data() + i + 2, value, 16);
        if (error != std::errc{} || end != hex.data() + i + 2) return std::nullopt;
        bytes += static_cast<char>(value);
    }
    return bytes;
}

}  // namespace gantry
