// URLs of registries, token servers and redirects: http and https only, taken apart once.
#pragma once
#include <string>
#include <string_view>

#include <gantry/result.hpp>

namespace gantry::image::registry {

struct Url {
    std::string scheme;  // "http" or "https"
    std::string host;    // lower case; an IPv6 address in brackets
    int port = 0;        // always told
    std::string target;  // path and query: "/v2/?a=b"

    bool secure() const { return scheme == "https"; }
    // "https://host:port": what credentials belong to.
    std::string origin() const;
    // As registries are named: "host", or "host:port" where the port is not the scheme's own.
    std::string authority() const;
    std::string text() const { return origin() + target; }
};

// An absolute URL, or one relative to `base` where that is given. GANTRY_INVALID: not one, another scheme, a user name
// or password in it, more than 8 KiB.
Result<Url> parse_url(std::string_view text, const Url* base = nullptr);
// "&key=value", escaped, or with "?" where the URL has no query yet.
void add_query(Url& url, std::string_view key, std::string_view value);
// Everything but letters, digits and "-._~" as %XX.
std::string escape_url(std::string_view text);

// 127.0.0.0/8 and ::1, also where it is written as IPv4 in IPv6. `address`: of an IP packet, as text.
bool is_loopback(const std::string& address);
// 169.254.0.0/16, fe80::/10, and the unspecified address, which the kernel takes for loopback.
bool is_link_local(const std::string& address);

}  // namespace gantry::image::registry
