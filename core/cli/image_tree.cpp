#include "core/cli/image_tree.hpp"

#include <set>

#include "core/cli/format.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

Json tree_row(const std::string& name, const std::string& id, const std::string& usage, bool used) {
    return Json{{"Image", name}, {"ID", id}, {"DiskUsage", usage}, {"Used", used ? "U" : ""}};
}

std::string platform_of(const Json& image) {
    std::string text = text_at(image, "Os") + "/" + text_at(image, "Architecture");
    if (const std::string variant = text_at(image, "Variant"); !variant.empty()) text += "/" + variant;
    return text;
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
            const std::string usage = human_size(static_cast<double>(number_at(image, "Size")));
            std::vector<std::string> names;
            if (const Json& tags = member(image, "RepoTags"); tags.is_array())
                for (const Json& tag : tags)
                    if (as_text(tag) != "<none>:<none>") names.push_back(as_text(tag));
            if (names.empty()) names.push_back("<untagged>");
            rows.push_back(tree_row(names[0], shown, usage, used.contains(id)));
            for (std::size_t i = 1; i < names.size(); ++i) rows.push_back(tree_row(names[i], "", "", false));
            rows.push_back(tree_row("└─ " + platform_of(*whole), shown, usage, used.contains(id)));
        }
    const ListShape shape{{"Image", "ID", "DiskUsage", "Used"}, {{"DiskUsage", "DISK USAGE"}, {"Used", "IN USE"}}};
    return format_list(rows, shape, "");
}

}  // namespace gantry::cli
