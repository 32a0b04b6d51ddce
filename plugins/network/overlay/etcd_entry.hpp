// The values of entries in etcd. What another host wrote is input: what is not understood reads as nothing.
#pragma once
#include <string>

#include <gantry/json.hpp>

namespace gantry::overlay {

// An empty object where `text` is none.
inline Json object_of(const std::string& text) {
    Json json = Json::parse(text, nullptr, false);
    return json.is_object() ? json : Json::object();
}

// Of "blk/BLOCK" and "ip/ADDRESS".
inline std::string entry_of_owner(const std::string& host) { return Json{{"owner", host}}.dump(); }
inline std::string owner_of(const std::string& text) { return member<std::string>(object_of(text), "owner"); }

}  // namespace gantry::overlay
