#include "plugins/network/overlay/addresses.hpp"

#include <arpa/inet.h>

#include <cstdio>

namespace gantry::overlay {

std::string Block::text() const { return show(base) + "/" + std::to_string(length); }

std::optional<std::uint32_t> parse_address(const std::string& text) {
    in_addr address{};
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
    unsigned v[6];
    char rest = 0;
    return text.size() == 17 &&
           std::sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &rest) ==
               6 &&
           (v[0] & 1) == 0;
}

}  // namespace gantry::overlay
