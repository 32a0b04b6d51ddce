#include "core/build/remote_address.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "core/base/text.hpp"

namespace gantry::build {
namespace {

constexpr int default_proxy_port = 1080;  // as libcurl has it

// Taken apart by libcurl, as it will be when it is dialled: "0x7f.1" is an address, too.
class Parts {
public:
    explicit Parts(const std::string& url) : url_(::curl_url(), ::curl_url_cleanup) {
        constexpr unsigned flags = CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME;
        if (url_ && ::curl_url_set(url_.get(), CURLUPART_URL, url.c_str(), flags) != CURLUE_OK) url_.reset();
    }
    // "" for what is not there.
    std::string get(CURLUPart part, unsigned flags) const {
        char* text = nullptr;
        if (!url_ || ::curl_url_get(url_.get(), part, &text, flags) != CURLUE_OK) return {};
        std::string found = to_lower(text);
        ::curl_free(text);
        return found;
    }

private:
    std::unique_ptr<CURLU, void (*)(CURLU*)> url_;
};

std::string host_in(const std::string& url) {
    std::string host = Parts(url).get(CURLUPART_HOST, 0);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return host;
}

// An address of IPv4 that is written as one of IPv6 is what it stands for.
std::uint32_t ipv4_of(const sockaddr& address, bool* is) {
    *is = true;
    if (address.sa_family == AF_INET) return ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr);
    const in6_addr& ip = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    std::uint32_t last = 0;
    std::copy(ip.s6_addr + 12, ip.s6_addr + 16, reinterpret_cast<std::uint8_t*>(&last));
    *is = IN6_IS_ADDR_V4MAPPED(&ip);
    return ntohl(last);
}

bool is_loopback(const std::string& host) {
    in_addr four{};
    in6_addr six{};
    if (::inet_pton(AF_INET, host.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
    return ::inet_pton(AF_INET6, host.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

}  // namespace

RemoteAddresses::RemoteAddresses(const std::string& url) {
    const std::string host = host_in(url);
    for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
        if (const char* proxy = std::getenv(name); proxy != nullptr && *proxy != '\0') {
            auto port = parse_int(Parts(proxy).get(CURLUPART_PORT, 0));
            proxy_ports_.insert(port ? static_cast<int>(*port) : default_proxy_port);
        }
    loopback_ = host == "localhost" || host.ends_with(".localhost") || is_loopback(host);
}

std::string RemoteAddresses::refusal(const sockaddr& address) const {
    constexpr const char* link_local = "it leads to a link-local address, which nothing is fetched from";
    constexpr const char* nobodys = "it leads to an address that is no one machine's";
    if (address.sa_family != AF_INET && address.sa_family != AF_INET6) return nobodys;
    const in6_addr& ip6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    bool is4 = false, loopback = false;
    if (const std::uint32_t ip = ipv4_of(address, &is4); is4) {
        if ((ip >> 16) == 0xa9fe) return link_local;
        if ((ip >> 28) >= 0xe || (ip >> 24) == 0) return nobodys;
        loopback = (ip >> 24) == 127;
    } else {
        if (IN6_IS_ADDR_LINKLOCAL(&ip6)) return link_local;
        if (IN6_IS_ADDR_MULTICAST(&ip6) || IN6_IS_ADDR_UNSPECIFIED(&ip6)) return nobodys;
        loopback = IN6_IS_ADDR_LOOPBACK(&ip6);
    }
    // sin_port and sin6_port stand at the same place.
    const int port = ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
    if (loopback && !loopback_ && !proxy_ports_.contains(port))
        return "it leads to this machine, which only a URL that names localhost may";
    return {};
}

}  // namespace gantry::build
