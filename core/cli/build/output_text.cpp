#include "core/cli/build/output_text.hpp"

#include <algorithm>
#include <cstdint>

#include "core/cli/printable.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t line_limit = 16u << 10;

struct Range {
    std::uint32_t first, last;
};
// Unicode's East Asian wide and full-width characters, and emoji; what combines with the character before it.
constexpr Range wide[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xac00, 0xd7a3},
                          {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
                          {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
constexpr Range narrow[] = {{0x0300, 0x036f}, {0x200b, 0x200d}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}};

std::size_t width_of(std::uint32_t character) {
    auto inside = [&](const Range& range) { return character >= range.first && character <= range.last; };
    if (std::any_of(std::begin(narrow), std::end(narrow), inside)) return 0;
    return std::any_of(std::begin(wide), std::end(wide), inside) ? 2 : 1;
}

// Of valid UTF-8 (printable() has seen to that).
std::pair<std::uint32_t, std::size_t> next_character(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const std::size_t length = std::min<std::size_t>(lead < 0x80   ? 1
                                                     : lead < 0xe0 ? 2
                                                     : lead < 0xf0 ? 3
                                                                   : 4,
                                                     text.size());
    std::uint32_t value = length == 1 ? lead : lead & (0xffu >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) value = (value << 6) | (static_cast<unsigned char>(text[i]) & 0x3fu);
    return {value, length};
}

// How long the escape sequence at `text`[0] (ESC) is.
std::size_t sequence_length(std::string_view text) {
    if (text.size() < 2) return text.size();
    std::size_t at = 2;
    switch (text[1]) {
    case '[':  // CSI: parameters and intermediates, then one final byte
        while (at < text.size() && text[at] >= 0x20 && text[at] < 0x40) ++at;
        return std::min(at + 1, text.size());
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_':  // a text up to BEL or ESC backslash
        for (; at < text.size(); ++at) {
            if (text[at] == '\a') return at + 1;
            if (text[at] == '\x1b' && at + 1 < text.size() && text[at + 1] == '\\') return at + 2;
        }
        return text.size();
    default:
        at = 1;
        while (at < text.size() && text[at] >= 0x20 && text[at] < 0x30) ++at;
        return std::min(at + 1, text.size());
    }
}

}  // namespace

std::string without_escapes(std::string_view text) {
    std::string plain;
    while (!text.empty()) {
        std::size_t escape = text.find('\x1b');
        plain += text.substr(0, escape);
        if (escape == std::string_view::npos) break;
        text.remove_prefix(escape);
        text.remove_prefix(sequence_length(text));
    }
    std::string out;
    for (char c : plain)
        if (c == '\t')
            out.append(8 - out.size() % 8, ' ');
        else
            out += c;
    return printable(out, Breaks::escape);
}

std::size_t display_width(std::string_view text) {
    std::size_t columns = 0;
    while (!text.empty()) {
        auto [character, length] = next_character(text);
        columns += width_of(character);
        text.remove_prefix(length);
    }
    return columns;
}

std::string fit_columns(std::string_view text, std::size_t columns) {
    if (display_width(text) <= columns) return std::string(text);
    if (columns == 0) return {};
    std::size_t used = 0, at = 0;
    while (at < text.size()) {
        auto [character, length] = next_character(text.substr(at));
        if (used + width_of(character) > columns - 1) break;
        used += width_of(character);
        at += length;
    }
    return std::string(text.substr(0, at)) + "…";
}

void OutputLines::add(std::string_view line, const std::function<void(const std::string&)>& each) {
    // What stood before a carriage return has been written over.
    while (line.ends_with('\r')) line.remove_suffix(1);
    std::size_t again = line.rfind('\r');
    if (again != std::string_view::npos) line.remove_prefix(again + 1);
    last_.push_back(without_escapes(line));
    if (each) each(last_.back());
    if (last_.size() > kept_) last_.pop_front();
}

void OutputLines::push(std::string_view bytes, const std::function<void(const std::string&)>& each) {
    open_ += bytes;
    std::size_t from = 0, end = 0;
    while ((end = open_.find('\n', from)) != std::string::npos) {
        add(std::string_view(open_).substr(from, end - from), each);
        from = end + 1;
    }
    open_.erase(0, from);
    // A bar that is drawn again and again is one line; a line without an end is broken somewhere.
    if (std::size_t again = open_.rfind('\r'); again != std::string::npos && again + 1 < open_.size())
        open_.erase(0, again + 1);
    while (open_.size() > line_limit) {
        add(std::string_view(open_).substr(0, line_limit), each);
        open_.erase(0, line_limit);
    }
}

void OutputLines::finish(const std::function<void(const std::string&)>& each) {
    if (!open_.empty()) add(std::exchange(open_, {}), each);
}

std::string OutputLines::open_line() const { return without_escapes(open_); }

}  // namespace gantry::cli
