#include "core/image/api.hpp"

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/references.hpp"

namespace gantry::image {
namespace {

constexpr std::int64_t second = 1'000'000'000;

Json config_of(const Image& image) {
    auto config = image.config.find("config");
    return config != image.config.end() && config->is_object() ? *config : Json::object();
}

Json labels_of(const Image& image) {
    const Json config = config_of(image);
    auto labels = config.find("Labels");
    return labels != config.end() && labels->is_object() ? *labels : Json::object();
}

std::int64_t seconds_of(const std::string& time) { return parse_rfc3339(time).value_or(0) / second; }

}  // namespace

Json to_summary(const Image& image, std::int64_t containers) {
    return {{"Id", image.id},
            {"ParentId", ""},
            {"RepoTags", image.tags},
            {"RepoDigests", image.repo_digests},
            {"Created", image.created_ns / second},
            {"Size", image.size},
            {"SharedSize", -1},
            {"Labels", labels_of(image)},
            {"Containers", containers}};
}

Json to_inspect(const Image& image) {
    Json inspect{{"Id", image.id},
                 {"RepoTags", image.tags},
                 {"RepoDigests", image.repo_digests},
                 {"Comment", ""},
                 {"Author", member<std::string>(image.config, "author")},
                 {"Architecture", member<std::string>(image.config, "architecture")},
                 {"Os", member<std::string>(image.config, "os")},
                 {"Size", image.size},
                 {"Config", config_of(image)},
                 {"RootFS", {{"Type", "layers"}, {"Layers", diff_ids_of(image.config)}}},
                 {"Metadata", {{"LastTagTime", rfc3339(image.tagged_ns)}}}};
    if (auto created = member<std::string>(image.config, "created"); !created.empty()) inspect["Created"] = created;
    for (auto [from, to] : {std::pair("variant", "Variant"), std::pair("os.version", "OsVersion")})
        if (auto text = member<std::string>(image.config, from); !text.empty()) inspect[to] = text;
    if (auto entries = image.config.find("history");
        entries != image.config.end() && entries->is_array() && !entries->empty() && entries->back().is_object())
        inspect["Comment"] = member<std::string>(entries->back(), "comment");
    return inspect;
}

Json platform_of(const Image& image) {
    Json platform{{"os", member<std::string>(image.config, "os")},
                  {"architecture", member<std::string>(image.config, "architecture")}};
    if (auto variant = member<std::string>(image.config, "variant"); !variant.empty()) platform["variant"] = variant;
    return platform;
}

Json identity_of(const Image& image) {
    Json pulls = Json::array();
    for (const std::string& digest : image.repo_digests) {
        Json one{{"Repository", qualified_name(std::string_view(digest).substr(0, digest.find('@')))}};
        if (std::find(pulls.begin(), pulls.end(), one) == pulls.end()) pulls.push_back(std::move(one));
    }
    return pulls.empty() ? Json() : Json{{"Pull", pulls}};
}

Json manifest_summary(const Image& image, const ImageStore::Manifest& manifest,
                      const std::vector<std::string>& containers) {
    return {{"ID", manifest.descriptor["digest"]},
            {"Descriptor", manifest.descriptor},
            {"Available", true},  // an image is here whole, or not at all
            {"Kind", "image"},
            {"Size", {{"Content", manifest.content_bytes}, {"Total", manifest.content_bytes + image.size}}},
            {"ImageData",
             {{"Platform", platform_of(image)}, {"Containers", containers}, {"Size", {{"Unpacked", image.size}}}}}};
}

Json history(const Image& image) {
    Json items = Json::array();
    std::size_t layer = 0;
    if (auto entries = image.config.find("history"); entries != image.config.end() && entries->is_array()) {
        for (const Json& entry : *entries) {
            if (!entry.is_object()) continue;
            const bool empty = member<bool>(entry, "empty_layer");
            std::int64_t size = 0;
            if (!empty && layer < image.layer_sizes.size()) size = image.layer_sizes[layer++];
            items.push_back({{"Id", "<missing>"},
                             {"Created", seconds_of(member<std::string>(entry, "created"))},
                             {"CreatedBy", member<std::string>(entry, "created_by")},
                             {"Tags", nullptr},
                             {"Size", size},
                             {"Comment", member<std::string>(entry, "comment")}});
        }
    }
    // Layers that the config's history says nothing of.
    for (; layer < image.layer_sizes.size(); ++layer)
        items.push_back({{"Id", "<missing>"},
                         {"Created", image.created_ns / second},
                         {"CreatedBy", ""},
                         {"Tags", nullptr},
                         {"Size", image.layer_sizes[layer]},
                         {"Comment", ""}});
    std::reverse(items.begin(), items.end());
    if (!items.empty()) {
        items.front()["Id"] = image.id;
        items.front()["Tags"] = image.tags;
    }
    return items;
}

}  // namespace gantry::image
