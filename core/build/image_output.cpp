#include "core/build/image_output.hpp"

#include "core/base/clock.hpp"

namespace gantry::build {

Result<std::string> image_config(const Target& target, const std::vector<LayerRef>& layers, std::int64_t created_ns) {
    if (!target.config.is_object()) return fail(Code::internal, "the target has no configuration");
    Json config = target.config;
    const std::string created = rfc3339(created_ns);
    config["created"] = created;
    Json diffs = Json::array();
    for (const LayerRef& layer : layers) diffs.push_back(layer.diff_id);
    std::size_t with_layer = 0;
    if (config.contains("history") && config["history"].is_array())
        for (Json& entry : config["history"]) {
            if (!entry.contains("created")) entry["created"] = created;
            if (!entry.value("empty_layer", false)) ++with_layer;
        }
    // An image from elsewhere may have no history; what this build added must be told of wholly.
    if (with_layer > layers.size())
        return fail(Code::internal, "the history tells of " + std::to_string(with_layer) + " layers, and there are " +
                                        std::to_string(layers.size()));
    config["rootfs"] = {{"type", "layers"}, {"diff_ids", std::move(diffs)}};
    return config.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace gantry::build
