#include "plugins/network/common/bridge/firewall.hpp"

#include <nftables/libnftables.h>

#include <algorithm>
#include <set>

#include "plugins/network/common/bridge/flows.hpp"
#include "plugins/network/common/bridge/port_check.hpp"

namespace gantry::bridge {
namespace {

std::string protocol_name(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    switch (value.is_number_integer() ? value.get<int>() : 0) {
    case 6: return "tcp";
    case 17: return "udp";
    case 132: return "sctp";
    default: return "";
    }
}

// The parts of {"concat": [...]}.
std::vector<Json> parts_of(const Json& value) {
    return value.is_object() ? member<std::vector<Json>>(value, "concat") : std::vector<Json>();
}

std::uint16_t port_number(const Json& value) {
    const std::int64_t number = value.is_number_integer() ? value.get<std::int64_t>() : 0;
    return static_cast<std::uint16_t>(number > 0 && number < 65536 ? number : 0);
}

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : std::string(); }

// One element of one of the maps: [key, value]. `any`: the host address where the key has none.
std::optional<PortEntry> entry_of(const Json& element, const char* any) {
    if (!element.is_array() || element.size() != 2) return std::nullopt;
    std::vector<Json> key = parts_of(element[0]);
    const std::vector<Json> value = parts_of(element[1]);
    PortEntry entry;
    entry.port.host_address = any;
    if (key.size() == 3) {
        entry.port.host_address = text_of(key[0]);
        key.erase(key.begin());
    }
    if (key.size() != 2 || value.size() != 2) return std::nullopt;
    entry.port.protocol = protocol_name(key[0]);
    entry.port.host_port = port_number(key[1]);
    entry.address = text_of(value[0]);
    entry.port.container_port = port_number(value[1]);
    return entry;
}

// One element of the sets of ports that are open at their own addresses.
std::optional<PortEntry> open_of(const Json& element, const char* any) {
    const std::vector<Json> parts = parts_of(element);
    if (parts.size() != 3) return std::nullopt;
    PortEntry entry;
    entry.port.host_address = any;
    entry.address = text_of(parts[0]);
    entry.port.protocol = protocol_name(parts[1]);
    entry.port.container_port = port_number(parts[2]);
    return entry;
}

bool same(const PublishedPort& a, const PublishedPort& b) {
    return a.protocol == b.protocol && a.host_address == b.host_address && a.host_port == b.host_port &&
           a.container_port == b.container_port;
}

bool clash(const PublishedPort& a, const PublishedPort& b) {
    return a.protocol == b.protocol && a.host_port == b.host_port &&
           is_ipv6(a.host_address) == is_ipv6(b.host_address) &&
           (a.host_address == b.host_address || on_any_address(a) || on_any_address(b));
}

std::string one_line(std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

}  // namespace

void Firewall::FreeContext::operator()(nft_ctx* context) const { nft_ctx_free(context); }

Result<std::unique_ptr<Firewall>> Firewall::create(const std::string& engine) {
    Context context(nft_ctx_new(NFT_CTX_DEFAULT));
    if (!context || nft_ctx_buffer_output(context.get()) != 0 || nft_ctx_buffer_error(context.get()) != 0)
        return fail(Code::unsupported, "open nftables: no context");
    return std::unique_ptr<Firewall>(new Firewall(table_name(engine), std::move(context)));
}

Result<void> Firewall::run(const std::string& commands) {
    const int status = nft_run_cmd_from_buffer(context_.get(), commands.c_str());
    const char* words = nft_ctx_get_error_buffer(context_.get());
    (void)nft_ctx_get_output_buffer(context_.get());
    if (status != 0) return fail(Code::internal, "nftables: " + one_line(words ? words : "refused without a reason"));
    return {};
}

Result<Json> Firewall::list(const std::string& what) {
    nft_ctx_output_set_flags(context_.get(), NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_NUMERIC_ALL);
    const int status = nft_run_cmd_from_buffer(context_.get(), ("list " + what).c_str());
    nft_ctx_output_set_flags(context_.get(), 0);
    const char* output = nft_ctx_get_output_buffer(context_.get());
    const std::string text = output ? output : "";
    const char* words = nft_ctx_get_error_buffer(context_.get());
    if (status != 0) {
        const std::string why = one_line(words ? words : "");
        if (why.find("No such file or directory") != std::string::npos) return Json(Json::object());
        return fail(Code::internal, "nftables: list " + what + ": " + why);
    }
    Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return fail(Code::internal, "nftables: list " + what + " gave no JSON");
    return json;
}

Result<std::vector<PortEntry>> Firewall::list_ports() {
    std::vector<PortEntry> entries;
    struct Map {
        const char *name, *any;
    };
    for (const auto& [map, any] :
         {Map{"any_ports", "0.0.0.0"}, Map{"fixed_ports", ""}, Map{"any_ports6", "::"}, Map{"fixed_ports6", ""}}) {
        GANTRY_TRY(Json listed, list("map inet " + table_ + " " + map));
        for (const Json& item : member<std::vector<Json>>(listed, "nftables"))
            for (const Json& element : member<std::vector<Json>>(member<Json>(item, "map", Json::object()), "elem"))
                if (auto entry = entry_of(element, any)) entries.push_back(std::move(*entry));
    }
    for (const auto& [set, any] : {Map{"open", "0.0.0.0"}, Map{"open6", "::"}}) {
        GANTRY_TRY(Json listed, list("set inet " + table_ + " " + set));
        for (const Json& item : member<std::vector<Json>>(listed, "nftables"))
            for (const Json& element : member<std::vector<Json>>(member<Json>(item, "set", Json::object()), "elem"))
                if (auto entry = open_of(element, any)) entries.push_back(std::move(*entry));
    }
    return entries;
}

Result<std::vector<std::string>> Firewall::list_bridges() {
    GANTRY_TRY(Json listed, list("set inet " + table_ + " bridges"));
    for (const Json& item : member<std::vector<Json>>(listed, "nftables"))
        if (item.contains("set")) return member<std::vector<std::string>>(item["set"], "elem");
    return std::vector<std::string>();
}

Result<void> Firewall::ensure_network(const NetworkRules& network) {
    std::lock_guard lock(mutex_);
    const std::string elements = network_elements(table_, "add", network);
    // The rules are fixed, and most of the work: where they have been written, elements are enough. Somebody may have taken
    // the table away meanwhile.
    if (networks_.empty() || !run(elements))
        GANTRY_CHECK(run(skeleton(table_) + elements).context("network of bridge \"" + network.bridge + "\""));
    networks_[network.bridge] = network;
    return {};
}

Result<void> Firewall::remove_network(const NetworkRules& network) {
    std::lock_guard lock(mutex_);
    GANTRY_TRY(auto known, list_bridges());
    std::erase(known, network.bridge);
    networks_.erase(network.bridge);
    // Without the table there is nothing to take out; adding it first makes its deletion succeed in every case.
    if (known.empty()) return run("add table inet " + table_ + "\ndelete table inet " + table_ + "\n");
    return run(network_elements(table_, "add", network) + network_elements(table_, "delete", network));
}

Result<void> Firewall::set_ports(const std::vector<std::string>& addresses, const std::vector<PortEntry>& wanted) {
    std::lock_guard lock(mutex_);
    GANTRY_TRY(auto entries, list_ports());
    const auto own = [&](const PortEntry& entry) {
        return std::find(addresses.begin(), addresses.end(), entry.address) != addresses.end();
    };
    const auto is_in = [](const PortEntry& one, const std::vector<PortEntry>& list) {
        return std::any_of(list.begin(), list.end(),
                           [&](const PortEntry& e) { return e.address == one.address && same(e.port, one.port); });
    };
    std::string changes;
    std::vector<PublishedPort> changed;
    for (const PortEntry& entry : entries)
        if (own(entry) && !is_in(entry, wanted)) {
            changes += port_element(table_, "delete", entry.port, entry.address);
            changed.push_back(entry.port);
        }
    for (const PortEntry& one : wanted) {
        if (is_in(one, entries)) continue;
        if (one.port.host_port != 0) {
            for (const PortEntry& entry : entries)
                if (!own(entry) && clash(entry.port, one.port)) return port_taken(one.port);
            GANTRY_CHECK(check_port_free(one.port));
        }
        changes += port_element(table_, "add", one.port, one.address);
        changed.push_back(one.port);
    }
    if (!changes.empty())
        GANTRY_CHECK(run(changes).context("publish ports of \"" + (addresses.empty() ? "" : addresses.front()) + "\""));
    // The rules are what counts: a flow that could not be forgotten ends by itself half a minute after its last packet.
    (void)forget_flows(changed);
    std::erase_if(ports_, own);
    ports_.insert(ports_.end(), wanted.begin(), wanted.end());
    return {};
}

Result<void> Firewall::rebuild(const std::vector<NetworkRules>& networks, const std::vector<PortEntry>& ports) {
    std::lock_guard lock(mutex_);
    GANTRY_CHECK(write_all(networks, ports));
    networks_.clear();
    for (const NetworkRules& network : networks) networks_[network.bridge] = network;
    ports_ = ports;
    return {};
}

Result<void> Firewall::restore() {
    std::lock_guard lock(mutex_);
    if (networks_.empty()) return {};
    std::vector<NetworkRules> networks;
    for (const auto& [bridge, network] : networks_) networks.push_back(network);
    return write_all(networks, ports_);
}

Result<void> Firewall::write_all(const std::vector<NetworkRules>& networks, const std::vector<PortEntry>& ports) {
    std::string text = "add table inet " + table_ + "\ndelete table inet " + table_ + "\n";
    if (!networks.empty()) text += skeleton(table_);
    for (const NetworkRules& network : networks) text += network_elements(table_, "add", network);
    if (!networks.empty())
        for (const PortEntry& entry : ports) text += port_element(table_, "add", entry.port, entry.address);
    return run(text).context("rebuild the table \"" + table_ + "\"");
}

Result<std::vector<PortEntry>> Firewall::ports() {
    std::lock_guard lock(mutex_);
    return list_ports();
}

Result<std::vector<std::string>> Firewall::bridges() {
    std::lock_guard lock(mutex_);
    return list_bridges();
}

bool Firewall::others_filter() {
    std::lock_guard lock(mutex_);
    auto listed = list("tables");
    if (!listed) return true;
    for (const Json& item : member<std::vector<Json>>(*listed, "nftables")) {
        const Json table = member<Json>(item, "table", Json::object());
        if (!table.empty() && member<std::string>(table, "name") != table_) return true;
    }
    return false;
}

}  // namespace gantry::bridge
