#include "core/network/validate.hpp"

#include <array>
#include <cstdio>

#include <gantry/driver.hpp>

#include "core/base/ids.hpp"
#include "core/base/text.hpp"

namespace gantry::network {
namespace {

Error bad_config(const std::string& what) { return fail(Code::invalid, "invalid network config: " + what); }

Result<std::map<std::string, std::string>> text_map(const Json& body, const char* key) {
    std::map<std::string, std::string> map;
    auto found = body.find(key);
    if (found == body.end() || found->is_null()) return map;
    if (!found->is_object()) return fail(Code::invalid, std::string("\"") + key + "\" must be an object of strings");
    for (const auto& [name, value] : found->items()) {
        if (!value.is_string())
            return fail(Code::invalid, std::string("\"") + key + "\": the value of \"" + name + "\" must be a string");
        map[name] = value.get<std::string>();
    }
    return map;
}

// The parts of the API that other kinds of engine have.
Result<void> refuse_unsupported(const Json& body) {
    if (member<bool>(body, "Ingress")) return fail(Code::unsupported, "ingress networks are not supported");
    if (member<bool>(body, "ConfigOnly") ||
        !member<std::string>(member<Json>(body, "ConfigFrom", Json::object()), "Network").empty())
        return fail(Code::unsupported, "config-only networks are not supported");
    const std::string scope = member<std::string>(body, "Scope");
    if (!scope.empty() && scope != "local")
        return fail(Code::unsupported, "network scope \"" + scope + "\" is not supported");
    return {};
}

// What a subnet of the family may be, beside well-formed.
Result<void> check_unicast(const Prefix& subnet) {
    if (subnet.length < 8 || (subnet.base >> 24) == 0 || (subnet.base >> 24) == 127 || (subnet.base >> 28) >= 14)
        return bad_config("invalid subnet " + subnet.text() + ": not a range of unicast addresses");
    return {};
}

Result<void> check_unicast(const Prefix6& subnet) {
    const auto high = static_cast<unsigned>(subnet.base >> 112);
    const bool link_local = (high & 0xffc0u) == 0xfe80u, multicast = high >= 0xff00u, special = high == 0;
    if (subnet.length < 16 || link_local || multicast || special)
        return bad_config("invalid subnet " + subnet.text() + ": not a range of unicast addresses");
    return {};
}

// One entry of IPAM.Config.
template <typename Address>
struct Config {
    std::optional<PrefixOf<Address>> subnet, range;
    Address gateway = 0;
};

template <typename Address>
Result<Config<Address>> read_family(const Json& json, std::map<std::string, std::string>& auxiliary) {
    using PrefixT = PrefixOf<Address>;
    using Family = FamilyOf<Address>;
    const std::string subnet_text = member<std::string>(json, "Subnet"),
                      range_text = member<std::string>(json, "IPRange"),
                      gateway_text = member<std::string>(json, "Gateway");
    Config<Address> config;
    Address given = 0;
    auto subnet = PrefixT::parse(subnet_text, &given);
    if (!subnet) return bad_config("invalid subnet " + subnet_text + ": invalid CIDR block notation");
    if (given != subnet->base) return bad_config("invalid subnet " + subnet_text + ": it should be " + subnet->text());
    if (subnet->length > Family::bits - 2)
        return bad_config("invalid subnet " + subnet_text + ": no room for a gateway and a container");
    GANTRY_CHECK(check_unicast(*subnet));
    config.subnet = config.range = subnet;
    if (!range_text.empty()) {
        auto range = PrefixT::parse(range_text, &given);
        if (!range) return bad_config("invalid ip-range " + range_text + ": invalid CIDR block notation");
        if (given != range->base)
            return bad_config("invalid ip-range " + range_text + ": it should be " + range->text());
        if (range->length < subnet->length)
            return bad_config("invalid ip-range " + range_text + ": CIDR block is bigger than its parent subnet " +
                              subnet->text());
        if (!subnet->contains(*range))
            return bad_config("invalid ip-range " + range_text + ": parent subnet " + subnet->text() +
                              " doesn't contain ip-range");
        config.range = range;
    }
    config.gateway = subnet->base + 1;
    if (!gateway_text.empty()) {
        auto gateway = Family::parse(gateway_text);
        if (!gateway) return bad_config("invalid gateway " + gateway_text + ": invalid address");
        if (!subnet->contains(*gateway))
            return bad_config("invalid gateway " + gateway_text + ": parent subnet " + subnet->text() +
                              " doesn't contain this address");
        if (*gateway == subnet->base || (Family::has_broadcast && *gateway == subnet->last()))
            return bad_config("invalid gateway " + gateway_text + ": it is the network or broadcast address of " +
                              subnet->text());
        config.gateway = *gateway;
    }
    GANTRY_TRY(auto reserved, text_map(json, "AuxiliaryAddresses"));
    for (const auto& [name, text] : reserved) {
        auto address = Family::parse(text);
        if (!address) return bad_config("invalid auxiliary address " + text + ": invalid address");
        if (!subnet->contains(*address))
            return bad_config("invalid auxiliary address " + text + ": parent subnet " + subnet->text() +
                              " doesn't contain this address");
        if (*address == config.gateway)
            return bad_config("auxiliary address " + text + " (" + name + ") is the gateway's: Address already in use");
        if (!auxiliary.emplace(name, text).second)
            return bad_config("auxiliary address " + text + ": the name " + name + " is given twice");
    }
    return config;
}

Result<void> read_ipam(const Json& json, NetworkRecord& record) {
    const std::string subnet_text = member<std::string>(json, "Subnet");
    if (subnet_text.empty()) {
        if (member<std::string>(json, "IPRange").empty() && member<std::string>(json, "Gateway").empty()) return {};
        return fail(Code::invalid, "user specified IP range or gateway needs a subnet");
    }
    const bool six = subnet_text.find(':') != std::string::npos;
    const char* family = six ? "IPv6" : "IPv4";
    if (six ? record.subnet6.has_value() : record.subnet.has_value())
        return fail(Code::unsupported, "subnet " + subnet_text + ": a network has one " + family + " subnet at most");
    if (!(six ? record.ipv6 : record.ipv4))
        return fail(Code::invalid,
                    "subnet " + subnet_text + " needs " + family + ", which is not enabled for network " + record.name);
    if (six) {
        GANTRY_TRY(auto config, read_family<Ipv6>(json, record.auxiliary));
        record.subnet6 = config.subnet;
        record.range6 = config.range;
        record.gateway6 = config.gateway;
    } else {
        GANTRY_TRY(auto config, read_family<Ipv4>(json, record.auxiliary));
        record.subnet = config.subnet;
        record.range = config.range;
        record.gateway = config.gateway;
    }
    return {};
}

}  // namespace

Result<NetworkRecord> read_create_request(const Json& body) {
    if (!body.is_object()) return fail(Code::invalid, "the request is not a JSON object");
    NetworkRecord record;
    record.name = member<std::string>(body, "Name");
    if (record.name.empty()) return fail(Code::invalid, "network name cannot be empty");
    if (!valid_name(record.name))
        return fail(Code::invalid,
                    "invalid network name \"" + record.name + "\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    GANTRY_CHECK(refuse_unsupported(body));
    record.driver = member<std::string>(body, "Driver");
    record.ipv4 = member<bool>(body, "EnableIPv4", true);
    record.ipv6 = member<bool>(body, "EnableIPv6");
    if (!record.ipv4 && !record.ipv6) return fail(Code::invalid, "IPv4 or IPv6 must be enabled");
    record.internal = member<bool>(body, "Internal");
    record.attachable = member<bool>(body, "Attachable");
    GANTRY_TRY(record.labels, text_map(body, "Labels"));
    GANTRY_TRY(auto options, text_map(body, "Options"));
    record.given_options = options;
    const Json ipam = member<Json>(body, "IPAM", Json::object());
    if (!ipam.is_object()) return fail(Code::invalid, "\"IPAM\" must be an object");
    const std::string driver = member<std::string>(ipam, "Driver", "default");
    if (!driver.empty() && driver != "default")
        return fail(Code::unsupported, "IPAM driver \"" + driver + "\" is not known");
    GANTRY_TRY(auto ipam_options, text_map(ipam, "Options"));
    if (!ipam_options.empty())
        return fail(Code::unsupported, "IPAM option \"" + ipam_options.begin()->first + "\" is not known");
    const auto configs = member<std::vector<Json>>(ipam, "Config");
    for (const Json& config : configs) {
        if (!config.is_object()) return fail(Code::invalid, "\"IPAM.Config\" must be a list of objects");
        GANTRY_CHECK(read_ipam(config, record));
    }
    return record;
}

Result<std::string> checked_mac(const std::string& text) {
    std::string lower = to_lower(text);
    for (char& c : lower)
        if (c == '-') c = ':';
    const auto parts = split(lower, ':');
    bool good = parts.size() == 6;
    for (std::string_view part : parts) good = good && part.size() == 2 && from_hex(part);
    // The lowest bit of the first byte: a group of stations, which no interface can be.
    if (!good || (static_cast<unsigned char>((*from_hex(parts[0]))[0]) & 1) != 0 || lower == "00:00:00:00:00:00")
        return fail(Code::invalid, "invalid MAC address \"" + text + "\"");
    return lower;
}

std::string mac_of(Ipv6 address) { return mac_of(static_cast<Ipv4>(address & 0xffffffffu)); }

std::string mac_of(Ipv4 address) {
    char text[18];
    std::snprintf(text, sizeof text, "02:42:%02x:%02x:%02x:%02x", address >> 24, (address >> 16) & 255,
                  (address >> 8) & 255, address & 255);
    return text;
}

}  // namespace gantry::network
