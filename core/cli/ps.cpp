#include "core/base/text.hpp"
#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/key_values.hpp"
#include "core/cli/ports.hpp"
#include "core/cli/rows.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

// The container's own names without "/"; links ("/other/alias") only where nothing is shortened.
std::string names_of(const Json& names, bool shortened) {
    std::string text;
    if (!names.is_array()) return text;
    for (const Json& entry : names) {
        std::string name = as_text(entry);
        if (name.starts_with("/")) name.erase(0, 1);
        if (shortened && name.find('/') != std::string::npos) continue;
        text += (text.empty() ? "" : ",") + name;
    }
    return text;
}

std::string mounts_of(const Json& mounts, bool shortened) {
    std::string text;
    if (!mounts.is_array()) return text;
    for (const Json& mount : mounts) {
        std::string name = text_at(mount, "Name").empty() ? text_at(mount, "Source") : text_at(mount, "Name");
        text += (text.empty() ? "" : ",") + (shortened ? shorten(name, 15) : name);
    }
    return text;
}

std::int64_t local_volumes(const Json& mounts) {
    std::int64_t count = 0;
    if (mounts.is_array())
        for (const Json& mount : mounts) count += text_at(mount, "Driver") == "local" ? 1 : 0;
    return count;
}

}  // namespace

Json container_row(const Json& container, bool shortened) {
    std::string id = text_at(container, "Id"), image = text_at(container, "Image"),
                command = text_at(container, "Command");
    if (shortened && image.starts_with("sha256:")) image = short_image_id(image);
    if (shortened) command = shorten(command, 20);
    double changed = as_real(member(container, "SizeRw")), all = as_real(member(container, "SizeRootFs"));
    std::string networks;
    const Json& attached = member(container, "NetworkSettings", "Networks");
    if (attached.is_object())
        for (const auto& [name, settings] : attached.items()) networks += (networks.empty() ? "" : ",") + name;
    return Json{{"ID", shortened ? id.substr(0, 12) : id},
                {"Names", names_of(member(container, "Names"), shortened)},
                {"Image", image.empty() ? "<no image>" : image},
                {"Command", quote_json(command)},
                {"CreatedAt", local_time(number_at(container, "Created"))},
                {"RunningFor", human_ago(number_at(container, "Created"))},
                {"Ports", show_ports(member(container, "Ports"))},
                {"State", text_at(container, "State")},
                {"Status", text_at(container, "Status")},
                {"Size", human_size(changed) + (all > 0 ? " (virtual " + human_size(all) + ")" : "")},
                {"Labels", labels_text(member(container, "Labels"))},
                {"Mounts", mounts_of(member(container, "Mounts"), shortened)},
                {"LocalVolumes", std::to_string(local_volumes(member(container, "Mounts")))},
                {"Networks", networks},
                {"__labels", member(container, "Labels").is_object() ? member(container, "Labels") : Json::object()}};
}

std::string labels_text(const Json& labels) {
    std::string text;
    if (labels.is_object())
        for (const auto& [key, value] : labels.items()) text += (text.empty() ? "" : ",") + key + "=" + as_text(value);
    return text;
}

Result<int> ps(Call& call) {
    bool all = false, quiet = false, latest = false, size = false, no_trunc = false;
    std::int64_t last = -1;
    std::string format;
    std::vector<std::string> filters;
    Flags flags;
    flags.boolean(all, 'a', "all", "Show all containers (default shows just running)");
    flags.boolean(quiet, 'q', "quiet", "Only display container IDs");
    flags.boolean(latest, 'l', "latest", "Show the latest created container (includes all states)");
    flags.boolean(size, 's', "size", "Display total file sizes");
    flags.boolean(no_trunc, 0, "no-trunc", "Don't truncate output");
    flags.integer(last, 'n', "last", "Show n last created containers (includes all states)");
    flags.text(format, 0, "format",
               "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'");
    flags.list(filters, 'f', "filter", "Filter output based on conditions provided", "filter");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    if (latest && last == -1) last = 1;
    if (format.find(".Size") != std::string::npos) size = true;
    std::vector<std::pair<std::string, std::string>> pairs;
    if (all) pairs.emplace_back("all", "1");
    if (last > 0) pairs.emplace_back("limit", std::to_string(last));
    if (size && !quiet) pairs.emplace_back("size", "1");
    GANTRY_TRY(std::string wanted, parse_filters(filters));
    if (!wanted.empty()) pairs.emplace_back("filters", wanted);
    GANTRY_TRY(Json list, call.client().get("/containers/json" + query(pairs)));
    std::vector<Json> rows;
    if (list.is_array())
        for (const Json& container : list) rows.push_back(container_row(container, !no_trunc));
    ListShape shape{{"ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"},
                    {{"ID", "CONTAINER ID"},
                     {"RunningFor", "CREATED"},
                     {"CreatedAt", "CREATED AT"},
                     {"LocalVolumes", "LOCAL VOLUMES"}}};
    if (size) shape.columns.push_back("Size");
    if (quiet) format = "{{.ID}}";
    GANTRY_TRY(std::string text, format_list(rows, shape, format));
    print_out(text);
    return 0;
}

}  // namespace gantry::cli
