// The values of entries in etcd. What another host wrote is input: what is not understood reads as nothing.
#pragma once
#include <string>

#include <gantry/driver.hpp>
#include <gantry/json.hpp>

#include "plugins/network/overlay/source.hpp"

namespace gantry::overlay {

// An empty object where `text` is none.
inline Json object_of(const std::string& text) {
    Json json = Json::parse(text, nullptr, false);
    return json.is_object() ? json : Json::object();
}

// Of "blk/BLOCK" and "ip/ADDRESS".
inline std::string entry_of_owner(const std::string& host) { return Json{{"owner", host}}.dump(); }
inline std::string owner_of(const std::string& text) { return member<std::string>(object_of(text), "owner"); }

// "facts".
inline std::string facts_text(const Facts& facts) {
    Json json{{"subnet", facts.subnet.text()}, {"gateway", show(facts.gateway)}, {"vni", facts.vni}};
    if (facts.encrypted) json["encrypted"] = true;
    return json.dump();
}

// "mem/HOST".
inline std::string member_text(const std::string& vtep, std::int64_t seen, const std::optional<TunnelEnd>& tunnel) {
    Json json{{"vtep", vtep}, {"seen", seen}};
    if (tunnel) json["wireguard"] = {{"key", tunnel->key}, {"port", tunnel->port}};
    return json.dump();
}
inline std::optional<TunnelEnd> tunnel_of(const Json& entry) {
    const Json end = member<Json>(entry, "wireguard", Json::object());
    if (!end.is_object() || !end.contains("key")) return std::nullopt;
    return TunnelEnd{member<std::string>(end, "key"), member<std::uint16_t>(end, "port")};
}

}  // namespace gantry::overlay
