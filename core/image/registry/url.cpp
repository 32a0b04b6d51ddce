#include "core/image/registry/url.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>

#include <memory>

#include "core/base/text.hpp"

namespace gantry::image::registry {
namespace {

constexpr std::size_t longest_url = 8u << 10;

Error bad(std::string_view text, const std::string& why) {
    return fail(Code::invalid, "the URL " + quote_json(text.substr(0, 200)) + " " + why);
}

// An IPv4 address, in network order, out of either family; nothing for any other IPv6 address.
bool as_ipv4(const std::string& address, std::uint32_t* out) {
    in_addr v4{};
    if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) {
        *out = ntohl(v4.s_addr);
        return true;
    }
    in6_addr v6{};
    if (::inet_pton(AF_INET6, address.c_str(), &v6) != 1 || !IN6_IS_ADDR_V4MAPPED(&v6)) return false;
    *out = (std::uint32_t{v6.s6_addr[12]} << 24) | (std::uint32_t{v6.s6_addr[13]} << 16) |
           (std::uint32_t{v6.s6_addr[14]} << 8) | v6.s6_addr[15];
    return true;
}

}  // namespace

std::string Url::origin() const { return scheme + "://" + host + ":" + std::to_string(port); }

std::string Url::authority() const { return port == (secure() ? 443 : 80) ? host : host + ":" + std::to_string(port); }

Result<Url> parse_url(std::string_view text, const Url* base) {
    if (text.size() > longest_url) return bad(text, "is longer than 8 KiB");
    for (char c : text)
        if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '\\')
            return bad(text, "has a character that no URL has");
    std::unique_ptr<CURLU, void (*)(CURLU*)> handle(curl_url(), curl_url_cleanup);
    auto set = [&](const std::string& url) {
        return curl_url_set(handle.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME);
    };
    if (base != nullptr && set(base->text()) != CURLUE_OK) return bad(base->text(), "is not one");
    if (set(std::string(text)) != CURLUE_OK) return bad(text, "is not one");
    auto part = [&](CURLUPart which, unsigned flags = 0) {
        char* value = nullptr;
        std::string found;
        if (curl_url_get(handle.get(), which, &value, flags) == CURLUE_OK && value != nullptr) found = value;
        curl_free(value);
        return found;
    };
    Url url;
    url.scheme = part(CURLUPART_SCHEME);
    if (url.scheme != "http" && url.scheme != "https") return bad(text, "is neither http nor https");
    if (!part(CURLUPART_USER).empty() || !part(CURLUPART_PASSWORD).empty() || text.find("://@") != text.npos)
        return bad(text, "has a user name in it");
    url.host = to_lower(part(CURLUPART_HOST));
    if (url.host.empty()) return bad(text, "has no host");
    auto port = parse_int(part(CURLUPART_PORT, CURLU_DEFAULT_PORT));
    if (!port || *port < 1 || *port > 65535) return bad(text, "has no port from 1 to 65535");
    url.port = static_cast<int>(*port);
    url.target = part(CURLUPART_PATH);
    if (const std::string query = part(CURLUPART_QUERY); !query.empty()) url.target += "?" + query;
    return url;
}

std::string escape_url(std::string_view text) {
    std::string out;
    for (char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                           c == '.' || c == '_' || c == '~';
        if (plain)
            out += c;
        else
            out += "%" + to_hex(std::string_view(&c, 1));
    }
    return out;
}

void add_query(Url& url, std::string_view key, std::string_view value) {
    url.target += url.target.find('?') == std::string::npos ? '?' : '&';
    url.target += escape_url(key) + "=" + escape_url(value);
}

bool is_loopback(const std::string& address) {
    std::uint32_t v4 = 0;
    if (as_ipv4(address, &v4)) return v4 >> 24 == 127;
    in6_addr v6{};
    return ::inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool is_link_local(const std::string& address) {
    std::uint32_t v4 = 0;
    if (as_ipv4(address, &v4)) return v4 >> 16 == 0xa9fe || v4 >> 24 == 0;
    in6_addr v6{};
    return ::inet_pton(AF_INET6, address.c_str(), &v6) == 1 &&
           (IN6_IS_ADDR_LINKLOCAL(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6));
}

}  // namespace gantry::image::registry
