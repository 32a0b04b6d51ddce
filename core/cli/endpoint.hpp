// Where an engine is: a socket of this host, a TCP address, or a socket of another host behind ssh.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::cli {

inline constexpr const char* default_socket = "/run/gantry/gantry.sock";

// How a tcp:// engine is spoken to.
struct Tls {
    bool on = false;
    bool verify = false;  // of the engine's certificate and name
    std::string ca, certificate, key;
    bool operator==(const Tls&) const = default;
};

struct Endpoint {
    enum class Kind { local = 1, tcp, ssh };
    Kind kind = Kind::local;
    // local: the socket. ssh: the socket on the other host, "" for its default.
    std::string path = default_socket;
    bool may_start = false;  // a daemon, where none listens
    std::string user, host;
    int port = 0;  // ssh: 0 is what ssh's own configuration says
    Tls tls;

    // unix:///path, /path, tcp://host[:port], ssh://[user@]host[:port][/path]; "" is the default socket. Of tcp:// the port
    // without one is 2375; with_tls() makes it 2376. GANTRY_INVALID, GANTRY_UNSUPPORTED: one line that says what is wrong.
    static Result<Endpoint> parse(std::string_view host);
    // The same with TLS. GANTRY_INVALID: TLS is asked for where there is none (unix, ssh).
    Result<Endpoint> with_tls(Tls wish) const;
    // "tcp://10.0.0.1:2376".
    std::string url() const;
    // The command that ssh(1) is started with, the program first.
    std::vector<std::string> ssh_command() const;

private:
    bool port_given_ = false;
};

}  // namespace gantry::cli
