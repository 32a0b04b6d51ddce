// A managed plugin as the engine keeps it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/store/store.hpp"

namespace gantry::plugin {

inline constexpr std::string_view store_kind = "plugin";

// A file of the plugin's directory, as a registry knows it.
struct Blob {
    std::string media_type, digest;
    std::int64_t size = 0;
};

// What a plugin is made of. Another version of it is another of these: none is ever changed in place.
struct Content {
    Json config;       // read_config()
    std::string tree;  // the directory of its root file system, below "rootfs"
    Blob document;     // the configuration's own bytes
    std::vector<Blob> layers;
};

struct Plugin {
    std::string id;         // 64 hex digits
    std::string name;       // with its tag: "vieux/sshfs:latest"
    std::string reference;  // where it came from, and goes to
    bool enabled = false;
    int timeout_s = 0;  // how long an enabled one may take to answer
    Content content;
    Json settings;  // plugin_settings.hpp
    std::int64_t created_ns = 0;

    Json to_api() const;  // Plugin of the Engine API
};

store::Object to_object(const Plugin& plugin);
// GANTRY_CORRUPT for what to_object() cannot have written.
Result<Plugin> from_object(const store::Object& object);

}  // namespace gantry::plugin
