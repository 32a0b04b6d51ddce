#include "core/cli/endpoint.hpp"

#include <unistd.h>

#include <algorithm>

#include "core/base/text.hpp"

namespace gantry::cli {
namespace {

constexpr const char* wanted_hosts =
    "want unix:///path/to/socket, tcp://host[:port] or ssh://[user@]host[:port][/path/to/socket]";

Error wrong_host(std::string_view host, const std::string& why) {
    return fail(Code::invalid, "unable to parse host " + quote_json(host) + ": " + why);
}

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

// What stands on a command line of ours, and in part on one of a shell on the other host: no option, nothing that a shell
// would take for more than a word.
bool is_safe(std::string_view text, std::string_view also) {
    return !text.empty() && text.size() <= 255 && text.front() != '-' &&
           std::all_of(text.begin(), text.end(),
                       [&](char c) { return is_word(c) || also.find(c) != std::string_view::npos; });
}

// "host", "host:port", "[v6]", "[v6]:port".
Result<void> split_authority(std::string_view whole, std::string_view authority, Endpoint& endpoint, bool& port_given) {
    std::string_view host = authority, port;
    if (authority.starts_with('[')) {
        const std::size_t end = authority.find(']');
        if (end == std::string_view::npos) return wrong_host(whole, "\"[\" without \"]\"");
        host = authority.substr(1, end - 1);
        std::string_view rest = authority.substr(end + 1);
        if (!rest.empty() && rest[0] != ':') return wrong_host(whole, "only a port can follow \"]\"");
        port_given = !rest.empty();
        if (port_given) port = rest.substr(1);
        if (!is_safe(host, ":")) return wrong_host(whole, "\"" + std::string(host) + "\" is no IPv6 address");
    } else {
        const std::size_t colon = authority.find(':');
        if (colon != authority.rfind(':')) return wrong_host(whole, "an IPv6 address needs brackets");
        host = authority.substr(0, colon);
        port_given = colon != std::string_view::npos;
        if (port_given) port = authority.substr(colon + 1);
        if (host.empty()) return wrong_host(whole, "the host is missing");
        if (!is_safe(host, ""))
            return wrong_host(
                whole, quote_json(host) +
                           " is no name of a host: letters, digits, \".\", \"_\" and \"-\", which does not begin it");
    }
    endpoint.host = host;
    if (!port_given) return {};
    auto number = parse_int(port);
    if (!number || *number < 1 || *number > 65535 || port[0] == '+')
        return wrong_host(whole, "port " + quote_json(port) + " is not a number from 1 to 65535");
    endpoint.port = static_cast<int>(*number);
    return {};
}

Result<void> parse_tcp(std::string_view whole, Endpoint& endpoint, bool& port_given) {
    std::string_view rest = whole.substr(6);
    if (rest.ends_with('/')) rest.remove_suffix(1);
    if (rest.find('/') != std::string_view::npos) return wrong_host(whole, "a path cannot follow a TCP address");
    if (rest.find('@') != std::string_view::npos) return wrong_host(whole, "a TCP address has no user");
    return split_authority(whole, rest, endpoint, port_given);
}

Result<void> parse_ssh(std::string_view whole, Endpoint& endpoint, bool& port_given) {
    std::string_view rest = whole.substr(6);
    endpoint.path.clear();
    if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
        std::string_view path = rest.substr(slash);
        rest = rest.substr(0, slash);
        if (path != "/" && !is_safe(path, "/+"))
            return wrong_host(whole, "the socket's path may have letters, digits and \"/._+-\"");
        if (path != "/") endpoint.path = path;
    }
    if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
        std::string_view user = rest.substr(0, at);
        rest = rest.substr(at + 1);
        // A domain's users have a backslash or a second @ in some places: ssh's configuration is the place for those.
        if (user.find(':') != std::string_view::npos) return wrong_host(whole, "a password cannot stand in it");
        if (!is_safe(user, "+"))
            return wrong_host(
                whole,
                quote_json(user) + " is no name of a user: letters, digits, \"._+-\", which \"-\" does not begin");
        endpoint.user = user;
    }
    return split_authority(whole, rest, endpoint, port_given);
}

std::string authority_of(const Endpoint& endpoint) {
    const bool brackets = endpoint.host.find(':') != std::string::npos;
    std::string text = endpoint.user.empty() ? "" : endpoint.user + "@";
    text += brackets ? "[" + endpoint.host + "]" : endpoint.host;
    if (endpoint.port != 0) text += ":" + std::to_string(endpoint.port);
    return text;
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view host) {
    Endpoint endpoint;
    if (host.empty()) {
        endpoint.may_start = ::geteuid() == 0;
        return endpoint;
    }
    if (host.starts_with("unix://") || host.starts_with("/")) {
        endpoint.path = host.starts_with("/") ? host : host.substr(7);
        if (endpoint.path.empty()) endpoint.path = default_socket;
        if (!endpoint.path.starts_with('/') || endpoint.path.find('\0') != std::string::npos)
            return wrong_host(host, "the socket needs an absolute path");
        return endpoint;
    }
    if (host.starts_with("tcp://")) {
        endpoint.kind = Kind::tcp;
        endpoint.path.clear();
        GANTRY_CHECK(parse_tcp(host, endpoint, endpoint.port_given_));
        if (!endpoint.port_given_) endpoint.port = 2375;
        return endpoint;
    }
    if (host.starts_with("ssh://")) {
        endpoint.kind = Kind::ssh;
        GANTRY_CHECK(parse_ssh(host, endpoint, endpoint.port_given_));
        return endpoint;
    }
    for (const char* scheme : {"http://", "https://", "fd://", "npipe://"})
        if (host.starts_with(scheme))
            return fail(Code::unsupported,
                        "host " + quote_json(host) + ": " + scheme + " is not supported; " + wanted_hosts);
    return wrong_host(host, wanted_hosts);
}

Result<Endpoint> Endpoint::with_tls(Tls wish) const {
    Endpoint endpoint = *this;
    if (!wish.on) return endpoint;
    if (kind != Kind::tcp) return fail(Code::invalid, "TLS is for tcp:// hosts, and the host is \"" + url() + "\"");
    endpoint.tls = std::move(wish);
    if (!port_given_) endpoint.port = 2376;
    return endpoint;
}

std::string Endpoint::url() const {
    switch (kind) {
    case Kind::tcp: return "tcp://" + authority_of(*this);
    case Kind::ssh: return "ssh://" + authority_of(*this) + path;
    default: return "unix://" + path;
    }
}

std::vector<std::string> Endpoint::ssh_command() const {
    std::vector<std::string> command{"ssh", "-o", "ConnectTimeout=30", "-T"};
    if (!user.empty()) command.insert(command.end(), {"-l", user});
    if (port != 0) command.insert(command.end(), {"-p", std::to_string(port)});
    command.insert(command.end(), {"--", host, "gantry"});
    if (!path.empty()) command.insert(command.end(), {"--host", "unix://" + path});
    command.insert(command.end(), {"system", "dial-stdio"});
    return command;
}

}  // namespace gantry::cli
