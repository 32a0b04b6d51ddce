#include "core/cli/image_tree.hpp"

#include <set>

#include "core/cli/format.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

const std::string last_branch = "└─ ", inner_branch = "├─ ";

Json tree_row(const std::string& name, const std::string& id, const std::string& usage, bool used) {
    return Json{{"Image", name}, {"ID", id}, {"DiskUsage", usage}, {"Used", used ? "U" : ""}};
}

std::string platform_of(const Json& image) {
    std::string text = text_at(image, "Os") + "/" + text_at(image, "Architecture");
    if (const std::string variant = text_at(image, "Variant"); !variant.empty()) text += "/" + variant;
    return text;
}

std::int64_t unpacked_size(const Json& manifest) {
    return number_at(member(member(manifest, "ImageData"), "Size"), "Unpacked");
}

// Of an image for several platforms, one row for each that is here.
std::vector<Json> platform_rows(const Json& image, bool shortened) {
    std::vector<Json> rows;
    std::vector<Json> manifests;
    if (const Json& all = member(image, "Manifests"); all.is_array())
        std::copy_if(all.begin(), all.end(), std::back_inserter(manifests),
                     [](const Json& one) { return text_at(one, "Kind") != "attestation"; });
    for (std::size_t i = 0; i < manifests.size(); ++i) {
        const Json& data = member(manifests[i], "ImageData");
        const Json& platform = member(data, "Platform");
        std::string text = text_at(platform, "os") + "/" + text_at(platform, "architecture");
        if (const std::string variant = text_at(platform, "variant"); !variant.empty()) text += "/" + variant;
        const std::string id = text_at(manifests[i], "ID");
        const Json& containers = member(data, "Containers");
        rows.push_back(tree_row((i + 1 < manifests.size() ? inner_branch : last_branch) + text,
                                shortened ? short_image_id(id) : id,
                                human_size(static_cast<double>(unpacked_size(manifests[i]))),
                                containers.is_array() && !containers.empty()));
    }
    return rows;
}

}  // namespace

Result<std::string> image_tree(Client& client, const Json& list, bool shortened) {
    std::set<std::string> used;
    GANTRY_TRY(Json containers, client.get("/containers/json?all=1"));
    if (containers.is_array())
        for (const Json& container : containers) used.insert(text_at(container, "ImageID"));
    std::vector<Json> rows;
    if (list.is_array())
        for (const Json& image : list) {
            const std::string id = text_at(image, "Id"), shown = shortened ? short_image_id(id) : id;
            auto whole = client.get("/images/" + path_escape(id) + "/json");
            if (!whole && whole.error().code == Code::not_found) continue;  // removed meanwhile
            if (!whole) return std::move(whole).error();
            std::string usage = human_size(static_cast<double>(number_at(image, "Size")));
            std::vector<Json> below = platform_rows(image, shortened);
            bool in_use = used.contains(id);
            if (below.empty()) {
                below.push_back(tree_row(last_branch + platform_of(*whole), shown, usage, in_use));
            } else {
                std::int64_t sum = 0;
                for (const Json& manifest : member(image, "Manifests")) sum += unpacked_size(manifest);
                usage = human_size(static_cast<double>(sum));
                for (const Json& row : below) in_use = in_use || !text_at(row, "Used").empty();
            }
            std::vector<std::string> names;
            if (const Json& tags = member(image, "RepoTags"); tags.is_array())
                for (const Json& tag : tags)
                    if (as_text(tag) != "<none>:<none>") names.push_back(as_text(tag));
            if (names.empty()) names.push_back("<untagged>");
            rows.push_back(tree_row(names[0], shown, usage, in_use));
            for (std::size_t i = 1; i < names.size(); ++i) rows.push_back(tree_row(names[i], "", "", false));
            rows.insert(rows.end(), below.begin(), below.end());
        }
    const ListShape shape{{"Image", "ID", "DiskUsage", "Used"}, {{"DiskUsage", "DISK USAGE"}, {"Used", "IN USE"}}};
    return format_list(rows, shape, "");
}

}  // namespace gantry::cli
