#include "core/cli/base64.hpp"

#include <cstdint>

namespace gantry::cli {
namespace {

constexpr std::string_view common = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

std::string digits_of(Base64 alphabet) { return std::string(common) + (alphabet == Base64::url ? "-_" : "+/"); }

}  // namespace

std::string to_base64(std::string_view bytes, Base64 alphabet) {
    const std::string digits = digits_of(alphabet);
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        std::uint32_t group = 0;
        const std::size_t have = std::min<std::size_t>(3, bytes.size() - at);
        for (std::size_t i = 0; i < 3; ++i)
            group = (group << 8) | (i < have ? static_cast<unsigned char>(bytes[at + i]) : 0u);
        for (std::size_t i = 0; i < 4; ++i) text += i <= have ? digits[(group >> (18 - 6 * i)) & 63] : '=';
    }
    return text;
}

std::optional<std::string> from_base64(std::string_view text, Base64 alphabet) {
    const std::string digits = digits_of(alphabet);
    while (text.ends_with('=')) text.remove_suffix(1);
    if (text.size() % 4 == 1) return std::nullopt;
    std::string bytes;
    std::uint32_t group = 0;
    int bits = 0;
    for (char c : text) {
        std::size_t value = digits.find(c);
        if (value == std::string::npos) return std::nullopt;
        group = (group << 6) | static_cast<std::uint32_t>(value);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes += static_cast<char>((group >> bits) & 0xff);
    }
    return bytes;
}

}  // namespace gantry::cli
