#include "plugins/network/overlay/addresses.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <cstdio>

namespace gantry::overlay {
namespace {
constexpr std::uint32_t first_vni = 4096, vni_count = 0xffffff - first_vni;  // below are what people choose
}

std::string Block::text() const { return show(base) + "/" + std::to_string(length); }

std::optional<std::uint32_t> parse_address(const std::string& text) {
    in_addr address{};
    if (text.find('\0') != std::string::npos) return std::nullopt;
    if (::inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
    return ntohl(address.s_addr);
}

std::string show(std::uint32_t address) {
    const in_addr network{htonl(address)};
    char text[INET_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET, &network, text, sizeof text);
    return text;
}

std::optional<Block> parse_block(const std::string& text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string::npos) return std::nullopt;
    auto base = parse_address(text.substr(0, slash));
    int length = 0;
    char rest = 0;
    if (!base || std::sscanf(text.c_str() + slash + 1, "%2d%c", &length, &rest) != 1 || length < 8 || length > 32)
        return std::nullopt;
    const Block block{*base, length};
    if (length < 32 && (*base & (0xffffffffu >> length)) != 0) return std::nullopt;
    return block;
}

std::string mac_of(std::uint32_t address) {
    char text[18];
    std::snprintf(text, sizeof text, "02:42:%02x:%02x:%02x:%02x", address >> 24, (address >> 16) & 255,
                  (address >> 8) & 255, address & 255);
    return text;
}

bool valid_mac(const std::string& text) {
    if (text.size() != 17) return false;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (i % 3 == 2 ? text[i] != ':' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
    return (std::stoul(text.substr(0, 2), nullptr, 16) & 1) == 0;
}

std::uint32_t vni_of(const std::string& text, int attempt) {
    std::uint32_t hash = 2166136261u;  // FNV-1a: the same on every host
    for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    return first_vni + (hash + static_cast<std::uint32_t>(attempt)) % vni_count;
}

bool valid_host_name(const std::string& text) {
    return !text.empty() && text.size() <= 255 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~' && c != '/'; });
}

}  // namespace gantry::overlay
