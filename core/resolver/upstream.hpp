// The host's own nameservers, from resolv.conf(5), read again when the file changes.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gantry::resolver {

struct Nameserver {
    sockaddr_storage address{};
    socklen_t length = 0;
    std::string text;
};

// The "nameserver" lines, three at most; other lines and addresses that cannot be read are passed over.
std::vector<Nameserver> parse_resolv_conf(std::string_view text, std::uint16_t port);

class Upstream {
public:
    Upstream(std::string file, std::uint16_t port) : file_(std::move(file)), port_(port) {}
    // As of now; looks at the file once a second at most. Addresses at which we serve ourselves are left out.
    const std::vector<Nameserver>& servers(const std::set<std::string>& own);

private:
    const std::string file_;
    const std::uint16_t port_;
    std::int64_t looked_ns_ = 0;
    struct stat seen_ {};
    std::vector<Nameserver> servers_;
};

}  // namespace gantry::resolver
