#include "core/resolver/upstream.hpp"

#include <netdb.h>

#include <algorithm>
#include <cstring>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"

namespace gantry::resolver {
namespace {
constexpr std::size_t most_servers = 3;
constexpr std::int64_t look_every_ns = 1'000'000'000;
}  // namespace

std::vector<Nameserver> parse_resolv_conf(std::string_view text, std::uint16_t port) {
    std::vector<Nameserver> servers;
    for (std::string_view line : split(text, '\n')) {
        line = trim(line);
        constexpr std::string_view keyword = "nameserver";
        if (!line.starts_with(keyword) || line.size() == keyword.size() ||
            (line[keyword.size()] != ' ' && line[keyword.size()] != '\t'))
            continue;
        std::string address(trim(line.substr(keyword.size())));
        address = address.substr(0, address.find_first_of(" \t#;"));
        addrinfo hints{}, *found = nullptr;
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
        hints.ai_socktype = SOCK_DGRAM;
        if (::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) continue;
        Nameserver server;
        std::memcpy(&server.address, found->ai_addr, found->ai_addrlen);
        server.length = found->ai_addrlen;
        server.text = address;
        ::freeaddrinfo(found);
        servers.push_back(std::move(server));
        if (servers.size() == most_servers) break;
    }
    return servers;
}

const std::vector<Nameserver>& Upstream::servers(const std::set<std::string>& own) {
    const std::int64_t now = monotonic_ns();
    if (looked_ns_ != 0 && now - looked_ns_ < look_every_ns) return servers_;
    looked_ns_ = now;
    struct stat info {};
    const bool there = ::stat(file_.c_str(), &info) == 0;
    if (there && info.st_ino == seen_.st_ino && info.st_mtim.tv_sec == seen_.st_mtim.tv_sec &&
        info.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec)
        return servers_;
    seen_ = info;
    auto text = read_file(file_, 1u << 20);
    if (!text) log::warn("the host's nameservers cannot be read", {{"reason", text.error().text}});
    servers_ = parse_resolv_conf(text ? *text : "", port_);
    std::erase_if(servers_, [&](const Nameserver& server) { return own.contains(server.text); });
    return servers_;
}

}  // namespace gantry::resolver
