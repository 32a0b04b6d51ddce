// The files of a container that its network decides: /etc/hosts, /etc/resolv.conf, /etc/hostname.
#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/container/entry.hpp"

namespace gantry::container {
namespace {

constexpr std::string_view first_hosts =
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n"
    "ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

std::string search_line(const Json& list, const char* word) {
    std::string line;
    for (const Json& item : list) line += (line.empty() ? std::string(word) + " " : " ") + item.get<std::string>();
    return line.empty() ? line : line + "\n";
}

std::string hosts_text(const Container& c, const network::Attached& attached) {
    std::string hosts(first_hosts);
    if (attached.mode == network::Attached::Mode::host)
        if (auto own = read_file("/etc/hosts", 1 << 20)) hosts = *own;
    std::string gateway;
    for (const auto& [name, settings] : attached.settings.items())
        if (gateway.empty()) gateway = settings.value("Gateway", "");
    if (const Json& extra = c.host_config["ExtraHosts"]; extra.is_array())
        for (const Json& item : extra) {
            std::string text = item.get<std::string>();
            std::size_t separator = text.find_first_of("=:");
            if (separator == std::string::npos) continue;
            std::string address = text.substr(separator + 1);
            if (address == "host-gateway") address = gateway.empty() ? "127.0.0.1" : gateway;
            hosts += address + "\t" + text.substr(0, separator) + "\n";
        }
    for (const auto& [address, names] : attached.hosts) hosts += address + "\t" + names + "\n";
    return hosts;
}

// The user's servers, else the network's resolver, else the host's own; search domains and options likewise.
std::string resolv_text(const Container& c, const network::Attached& attached,
                        const std::vector<std::string>& configured) {
    std::string resolv;
    Json dns = c.host_config["Dns"];
    if ((!dns.is_array() || dns.empty()) && !configured.empty()) dns = configured;
    const Json& search = c.host_config["DnsSearch"];
    const Json& options = c.host_config["DnsOptions"];
    if (dns.is_array() && !dns.empty()) {
        for (const Json& server : dns) resolv += "nameserver " + server.get<std::string>() + "\n";
    } else {
        for (const auto& server : attached.resolvers) resolv += "nameserver " + server + "\n";
    }
    bool need_servers = resolv.empty();
    auto own = read_file("/etc/resolv.conf", 1 << 20);
    const std::string own_text = own ? *own : std::string();
    for (std::string_view line : split(own_text, '\n')) {
        bool server = line.starts_with("nameserver"),
             searching = line.starts_with("search") || line.starts_with("domain"), option = line.starts_with("options");
        if ((server && need_servers) || (searching && (!search.is_array() || search.empty())) ||
            (option && (!options.is_array() || options.empty())))
            resolv += std::string(line) + "\n";
    }
    if (search.is_array() && !(search.size() == 1 && search[0] == ".")) resolv += search_line(search, "search");
    if (options.is_array()) resolv += search_line(options, "options");
    return resolv;
}

}  // namespace

Result<void> ContainerService::write_network_files(const Container& c, const network::Attached& attached,
                                                   const std::string& hostname, const std::string& run) {
    // In place: the files are bind mounts already, and a new inode would not be seen.
    {
        std::unique_lock linked(hosts_mutex_, std::defer_lock);
        if (!c.links.empty()) linked.lock();
        GANTRY_CHECK(write_file(run + "/hosts", hosts_text(c, attached) + linked_hosts(c), 0644));
    }
    GANTRY_CHECK(write_file(run + "/resolv.conf", resolv_text(c, attached, adjustable()->dns), 0644));
    return write_file(run + "/hostname", hostname + "\n", 0644);
}

}  // namespace gantry::container
