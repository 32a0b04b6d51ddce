#include <arpa/inet.h>

#include "core/base/text.hpp"
#include "core/image/registry/transport.hpp"

namespace gantry::image::registry {
namespace {

std::string bare(const std::string& host) {
    return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

// The bytes of an address, none for a name.
std::string bytes_of(const std::string& address) {
    unsigned char bytes[16];
    if (::inet_pton(AF_INET, address.c_str(), bytes) == 1) return {bytes, bytes + 4};
    if (::inet_pton(AF_INET6, address.c_str(), bytes) == 1) return {bytes, bytes + 16};
    return {};
}

bool in_network(const std::string& address, const std::string& network) {
    const std::size_t slash = network.find('/');
    if (slash == std::string::npos) return false;
    const std::string base = bytes_of(network.substr(0, slash)), mine = bytes_of(address);
    auto length = parse_int(network.substr(slash + 1));
    if (base.empty() || base.size() != mine.size() || !length || *length < 0 ||
        *length > static_cast<std::int64_t>(base.size()) * 8)
        return false;
    for (std::size_t bit = 0; bit < static_cast<std::size_t>(*length); ++bit) {
        const int mask = 0x80 >> (bit % 8);
        if ((base[bit / 8] & mask) != (mine[bit / 8] & mask)) return false;
    }
    return true;
}

bool excepted(const std::string& host, int port, std::string rule) {
    rule = to_lower(trim(rule));
    if (rule == "*") return true;
    if (in_network(host, rule)) return true;
    // HOST:PORT; an IPv6 address has more than one colon.
    if (const std::size_t colon = rule.rfind(':'); colon != std::string::npos && rule.find(':') == colon) {
        if (parse_int(rule.substr(colon + 1)) != port) return false;
        rule.resize(colon);
    }
    rule = bare(rule);
    if (rule.empty()) return false;
    if (rule.starts_with("*.")) rule.erase(0, 1);
    if (rule.starts_with('.')) return host.ends_with(rule) || host == rule.substr(1);
    return host == rule || host.ends_with("." + rule);
}

}  // namespace

std::string proxy_for(const Proxies& proxies, const Url& url) {
    const std::string& proxy = url.secure() ? proxies.https : proxies.http;
    const std::string host = bare(url.host);
    if (proxy.empty() || host == "localhost" || host.ends_with(".localhost") || is_loopback(host)) return {};
    for (const std::string& rule : proxies.no)
        if (excepted(host, url.port, rule)) return {};
    return proxy;
}

}  // namespace gantry::image::registry
