// A plugin's manifest in a registry: a document of an image's form whose configuration is a plugin's. Hostile text.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

#include "core/plugin/plugin_record.hpp"

namespace gantry::plugin {

struct PluginManifest {
    Blob config;
    std::vector<Blob> layers;  // lowest first
};

// GANTRY_INVALID naming `reference`: an image's manifest, an index, or none at all. GANTRY_UNSUPPORTED: what is to be fetched
// from elsewhere.
Result<PluginManifest> parse_plugin_manifest(std::string_view text, const std::string& reference);
// The manifest of such content; the same content always has the same.
std::string plugin_manifest(const Blob& config, const std::vector<Blob>& layers);

}  // namespace gantry::plugin
