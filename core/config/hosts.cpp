#include "core/config/hosts.hpp"

#include <arpa/inet.h>

#include "core/base/text.hpp"
#include "core/config/reader.hpp"

namespace gantry::config {
namespace {

std::string wrong_file_path(const std::string& path) {
    return path.starts_with('/') && path.find('\0') == std::string::npos ? "" : "must be an absolute path";
}

}  // namespace

std::string Host::url() const {
    const bool brackets = address.find(':') != std::string::npos;
    return "tcp://" + (brackets ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

Result<Host> Host::parse(std::string_view text) {
    const Error wrong =
        fail(Code::invalid,
             "host " + quote_json(text) +
                 ": must be tcp://ADDRESS:PORT, such as \"tcp://0.0.0.0:2376\" (the unix socket is set by --socket)");
    if (!text.starts_with("tcp://")) return wrong;
    std::string_view rest = text.substr(6);
    const std::size_t colon = rest.rfind(':');
    if (colon == std::string_view::npos) return wrong;
    std::string_view address = rest.substr(0, colon);
    const bool brackets = address.size() > 2 && address.front() == '[' && address.back() == ']';
    if (brackets) address = address.substr(1, address.size() - 2);
    auto port = parse_int(rest.substr(colon + 1));
    if (!port || *port < 1 || *port > 65535) return wrong;
    Host host;
    host.address = address;
    host.port = static_cast<int>(*port);
    in_addr four{};
    in6_addr six{};
    if (!brackets && ::inet_pton(AF_INET, host.address.c_str(), &four) == 1)
        host.loopback = (ntohl(four.s_addr) >> 24) == 127;
    else if (brackets && ::inet_pton(AF_INET6, host.address.c_str(), &six) == 1)
        host.loopback = IN6_IS_ADDR_LOOPBACK(&six);
    else
        return wrong;
    return host;
}

void read_listen(Reader& reader, const Json& json, Listen& listen) {
    static const std::vector<std::string> tls_keys = {"ca", "cert", "key"};
    std::vector<std::string> hosts;
    reader.texts(json, "", "hosts", &hosts, [](const std::string& host) {
        return Host::parse(host) ? "" : "must be tcp://ADDRESS:PORT, such as \"tcp://0.0.0.0:2376\"";
    });
    for (const std::string& text : hosts)
        if (auto host = Host::parse(text)) listen.hosts.push_back(std::move(*host));
    reader.flag(json, "", "plain_loopback", &listen.plain_loopback);
    auto tls = json.find("tls");
    if (tls == json.end() || !reader.object(*tls, "/tls", tls_keys)) return;
    for (auto [key, to] : {std::pair{"ca", &listen.ca}, {"cert", &listen.certificate}, {"key", &listen.key}}) {
        reader.text(*tls, "/tls", key, to);
        if (std::string wrong = to->empty() ? "" : wrong_file_path(*to); !wrong.empty())
            reader.problem(std::string("/tls/") + key, "found " + quote_json(*to) + ", " + wrong);
    }
}

std::string wrong_listen(const Listen& listen) {
    if (listen.has_tls()) {
        for (const auto& [name, file] :
             {std::pair{"ca", &listen.ca}, {"cert", &listen.certificate}, {"key", &listen.key}})
            if (file->empty())
                return std::string("tls: \"") + name +
                       "\" is missing: clients are verified, so a CA, a certificate and its key are needed";
        return {};
    }
    for (const Host& host : listen.hosts) {
        const std::string found =
            "hosts: \"" + host.url() + "\" without TLS is refused: whoever reaches it is root here; ";
        if (!host.loopback) return found + "give \"tls\" with ca, cert and key";
        if (!listen.plain_loopback)
            return found +
                   "give \"tls\" with ca, cert and key, or \"plain_loopback\": true to let every user and every "
                   "container with the host's network in";
    }
    return {};
}

}  // namespace gantry::config
