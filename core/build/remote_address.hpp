// Which addresses a build fetches from. URLs come from Dockerfiles and redirects, so neither a name nor another server may
// lead to what answers for this machine alone.
#pragma once
#include <sys/socket.h>

#include <set>
#include <string>

namespace gantry::build {

// Asked of each address that is about to be dialled, never of a name.
class RemoteAddresses {
public:
    // `url`: as the user wrote it. Loopback is the user's own, where it is said in so many words: "localhost" or an
    // address of it.
    explicit RemoteAddresses(const std::string& url);

    // "", or why nothing is fetched from there: link-local (a cloud's metadata), multicast, nobody's, or loopback.
    std::string refusal(const sockaddr& address) const;

private:
    bool loopback_ = false;
    std::set<int> proxy_ports_;  // of the proxies of this process's environment, which libcurl dials
};

}  // namespace gantry::build
