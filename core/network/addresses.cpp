#include "core/network/addresses.hpp"

#include <arpa/inet.h>

#include <array>

#include "core/base/text.hpp"

namespace gantry::network {

std::optional<Ipv4> parse_ipv4(std::string_view text) {
    in_addr address{};
    if (text.size() > 15 || ::inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) return std::nullopt;
    return ntohl(address.s_addr);
}

std::optional<Ipv6> parse_ipv6(std::string_view text) {
    in6_addr address{};
    if (text.size() >= INET6_ADDRSTRLEN || ::inet_pton(AF_INET6, std::string(text).c_str(), &address) != 1)
        return std::nullopt;
    Ipv6 number = 0;
    for (const unsigned char byte : address.s6_addr) number = number << 8 | byte;
    return number;
}

std::string show(Ipv4 address) {
    const in_addr network_order{htonl(address)};
    char text[INET_ADDRSTRLEN];
    return ::inet_ntop(AF_INET, &network_order, text, sizeof text) ? text : "";
}

std::string show(Ipv6 address) {
    in6_addr network_order{};
    for (int i = 15; i >= 0; --i, address >>= 8) network_order.s6_addr[i] = static_cast<unsigned char>(address & 0xff);
    char text[INET6_ADDRSTRLEN];
    return ::inet_ntop(AF_INET6, &network_order, text, sizeof text) ? text : "";
}

template <typename Address>
std::optional<PrefixOf<Address>> PrefixOf<Address>::parse(std::string_view text, Address* given) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    auto address = Family::parse(text.substr(0, slash));
    const std::string_view digits = text.substr(slash + 1);
    if (!address || digits.empty() || digits.size() > 3 ||
        digits.find_first_not_of("0123456789") != std::string_view::npos)
        return std::nullopt;
    const auto length = parse_int(digits);
    if (!length || *length > Family::bits) return std::nullopt;
    if (given) *given = *address;
    return around(*address, static_cast<int>(*length));
}

template struct PrefixOf<Ipv4>;
template struct PrefixOf<Ipv6>;

}  // namespace gantry::network
