#include "core/cli/printable.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>

namespace gantry::cli {
namespace {

struct Character {
    std::uint32_t value = 0;
    std::size_t length = 0;  // 0: not UTF-8
};

// Decodes the character that begins at `text`[0], strictly (no overlong forms, no surrogates).
Character decode(std::string_view text) {
    auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    unsigned first = at(0);
    std::size_t length = first < 0x80                    ? 1
                         : first >= 0xc2 && first < 0xe0 ? 2
                         : first >= 0xe0 && first < 0xf0 ? 3
                         : first >= 0xf0 && first < 0xf5 ? 4
                                                         : 0;
    if (length == 0 || text.size() < length) return {};
    std::uint32_t value = length == 1 ? first : first & (0xffu >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((at(i) & 0xc0) != 0x80) return {};
        value = (value << 6) | (at(i) & 0x3fu);
    }
    bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    if (overlong || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return {};
    return {value, length};
}

bool turns_direction(std::uint32_t c) {
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0x061c ||
           c == 0x2028 || c == 0x2029;
}

}  // namespace

std::string printable(std::string_view text, Breaks breaks) {
    auto plain = [](char c) { return c >= 0x20 && c < 0x7f; };
    if (std::all_of(text.begin(), text.end(), plain)) return std::string(text);
    std::string out;
    out.reserve(text.size());
    char escape[16];
    while (!text.empty()) {
        Character c = decode(text);
        std::size_t length = std::max<std::size_t>(c.length, 1);
        bool control = c.length == 1 && (c.value < 0x20 || c.value == 0x7f);
        bool kept = breaks == Breaks::keep && (text[0] == '\n' || text[0] == '\t');
        if (c.length == 0 || (control && !kept)) {
            std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(text[0])));
            out += escape;
        } else if ((c.value >= 0x80 && c.value < 0xa0) || turns_direction(c.value)) {
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c.value));
            out += escape;
        } else {
            out.append(text.substr(0, length));
        }
        text.remove_prefix(length);
    }
    return out;
}

}  // namespace gantry::cli
