#include "core/network/ipv4.hpp"

#include <arpa/inet.h>

#include "core/base/text.hpp"

namespace gantry::network {

std::optional<Ipv4> parse_ipv4(std::string_view text) {
    in_addr address{};
    if (text.size() > 15 || ::inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) return std::nullopt;
    return ntohl(address.s_addr);
}

std::string show(Ipv4 address) {
    const in_addr network_order{htonl(address)};
    char text[INET_ADDRSTRLEN];
    return ::inet_ntop(AF_INET, &network_order, text, sizeof text) ? text : "";
}

std::string Prefix::text() const { return show(base) + "/" + std::to_string(length); }

Prefix prefix_around(Ipv4 address, int length) {
    const Ipv4 mask = length == 0 ? 0 : 0xffffffffu << (32 - length);
    return {address & mask, length};
}

std::optional<Prefix> parse_prefix(std::string_view text, Ipv4* given) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    auto address = parse_ipv4(text.substr(0, slash));
    std::string_view digits = text.substr(slash + 1);
    if (!address || digits.empty() || digits.size() > 2 ||
        digits.find_first_not_of("0123456789") != std::string_view::npos)
        return std::nullopt;
    const auto length = parse_int(digits);
    if (!length || *length > 32) return std::nullopt;
    if (given) *given = *address;
    return prefix_around(*address, static_cast<int>(*length));
}

}  // namespace gantry::network
