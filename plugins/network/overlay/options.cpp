#include "plugins/network/overlay/options.hpp"

#include "plugins/network/overlay/addresses.hpp"

namespace gantry::overlay {
namespace {

constexpr const char* option_mtu = "com.docker.network.driver.mtu";
constexpr const char* option_vni = "com.docker.network.driver.overlay.vxlanid_list";
constexpr std::size_t id_digits = 12;

Result<std::vector<std::string>> read_addresses(const std::string& text) {
    std::vector<std::string> all;
    for (std::size_t begin = 0; begin < text.size();) {
        std::size_t end = std::min(text.find(',', begin), text.size());
        std::string one = text.substr(begin, end - begin);
        begin = end + 1;
        while (one.ends_with('/')) one.pop_back();
        const bool http = one.starts_with("http://"), https = one.starts_with("https://");
        const std::string host = one.substr(http ? 7 : https ? 8 : one.size());
        if (host.empty() || host.find_first_of("/?#@ \"\\") != std::string::npos)
            return fail(Code::invalid,
                        "option \"etcd\": \"" + one + "\" is not an address such as http://10.0.0.1:2379");
        all.push_back(std::move(one));
    }
    return all;
}

std::string pick(const Network& network, const char* name, const std::string& otherwise) {
    const std::string own = member<std::string>(network.options, name);
    return own.empty() ? otherwise : own;
}

}  // namespace

DriverOptions DriverOptions::read(const Json& options) {
    return {member<std::string>(options, "etcd"),
            member<std::string>(options, "documents", usual_documents),
            member<std::string>(options, "address"),
            member<std::string>(options, "etcd_ca"),
            member<std::string>(options, "etcd_certificate"),
            member<std::string>(options, "etcd_key")};
}

Json driver_options() {
    return {
        {"etcd",
         {{"type", "string"},
          {"default", ""},
          {"help", "etcd of networks that name none: http://10.0.0.1:2379, several with commas"}}},
        {"etcd_ca",
         {{"type", "string"}, {"default", ""}, {"help", "file with the authority that etcd's certificate is from"}}},
        {"etcd_certificate",
         {{"type", "string"}, {"default", ""}, {"help", "file with the certificate shown to etcd"}}},
        {"etcd_key", {{"type", "string"}, {"default", ""}, {"help", "file with the key of that certificate"}}},
        {"documents",
         {{"type", "path"},
          {"default", usual_documents},
          {"help", "directory of documents for networks without etcd"}}},
        {"address",
         {{"type", "string"},
          {"default", ""},
          {"help", "this host's address for other hosts; empty: the one towards etcd"}}},
    };
}

Json object_options() {
    return {
        {"etcd",
         {{"type", "string"},
          {"default", ""},
          {"help", "etcd that the hosts share: http://10.0.0.1:2379, several with commas"}}},
        {"documents",
         {{"type", "string"},
          {"default", ""},
          {"help", "directory of documents that describe the network, where there is no etcd"}}},
        {"address", {{"type", "string"}, {"default", ""}, {"help", "this host's address for other hosts"}}},
        {"encrypted",
         {{"type", "boolean"}, {"default", false}, {"help", "what goes from host to host goes through WireGuard"}}},
        {"wireguard_port",
         {{"type", "integer"},
          {"default", 0},
          {"minimum", 0},
          {"maximum", 65535},
          {"help", "UDP port of WireGuard on this host; 0: one that is free"}}},
        {"port",
         {{"type", "integer"}, {"default", 4789}, {"minimum", 1}, {"maximum", 65535}, {"help", "UDP port of VXLAN"}}},
        {option_vni,
         {{"type", "integer"},
          {"default", 0},
          {"minimum", 0},
          {"maximum", 16777215},
          {"help", "number of the network between hosts (VNI); 0: one that is free"}}},
        {option_mtu,
         {{"type", "integer"},
          {"default", 0},
          {"minimum", 0},
          {"maximum", 65535},
          {"help",
           "largest packet in bytes; 0: what the network between the hosts carries, less 50 (130 if encrypted)"}}},
    };
}

Result<NetworkOptions> read_options(const DriverOptions& driver, const Network& network) {
    NetworkOptions options;
    const std::string documents = member<std::string>(network.options, "documents");
    const std::string etcd = pick(network, "etcd", documents.empty() ? driver.etcd : "");
    if (!documents.empty() && !etcd.empty())
        return fail(Code::invalid,
                    "network \"" + network.name + "\" has option \"etcd\" and option \"documents\": one of them");
    if (!documents.empty() && !documents.starts_with("/"))
        return fail(Code::invalid, "option \"documents\": \"" + documents + "\" is not an absolute path");
    GANTRY_TRY(options.etcd, read_addresses(etcd));
    options.documents = documents.empty() ? driver.documents : documents;
    options.address = pick(network, "address", driver.address);
    if (!options.address.empty() && !parse_address(options.address))
        return fail(Code::invalid, "option \"address\": \"" + options.address + "\" is not an IPv4 address");
    options.ca = driver.ca;
    options.certificate = driver.certificate;
    options.key = driver.key;
    options.encrypted = member<bool>(network.options, "encrypted");
    options.wireguard_port = member<std::uint16_t>(network.options, "wireguard_port");
    if (options.wireguard_port != 0 && !options.encrypted)
        return fail(Code::invalid, "option \"wireguard_port\" is of encrypted networks: set \"encrypted\" too");
    options.vni = member<std::uint32_t>(network.options, option_vni);
    options.port = member<std::uint16_t>(network.options, "port", 4789);
    options.mtu = member<int>(network.options, option_mtu);
    if (options.mtu != 0 && options.mtu < 68)
        return fail(Code::invalid, std::string("option \"") + option_mtu + "\" is " + std::to_string(options.mtu) +
                                       ": 0 or 68 to 65535");
    if (network.id.size() < id_digits) return fail(Code::invalid, "network id \"" + network.id + "\" is too short");
    return options;
}

std::string bridge_name(std::string_view network_id) { return "gb-" + std::string(network_id.substr(0, id_digits)); }
std::string vxlan_name(std::string_view network_id) { return "gx-" + std::string(network_id.substr(0, id_digits)); }
std::string tunnel_name(std::string_view network_id) { return "gw-" + std::string(network_id.substr(0, id_digits)); }
std::string host_end(std::string_view endpoint_id) { return "gv-" + std::string(endpoint_id.substr(0, id_digits)); }

std::string mark(std::string_view engine, std::string_view network_id) {
    return "gantry-overlay:" + std::string(engine) + ":" + std::string(network_id);
}

}  // namespace gantry::overlay
