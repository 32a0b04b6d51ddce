// system df.
#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/rows.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

// Docker's four digits; three for images.
std::string size_text(std::int64_t bytes, int digits = 4) {
    return bytes < 0 ? "N/A" : human_size(static_cast<double>(bytes), digits);
}

const Json& list_of(const Json& usage, const char* key) {
    static const Json none = Json::array();
    const Json& list = member(usage, key);
    return list.is_array() ? list : none;
}

// One kind of object: how many, how many in use, how much, and how much of that nobody uses.
struct Total {
    const char* type;
    std::int64_t count = 0, active = 0, size = 0, reclaimable = 0;
    bool with_share = true;

    Json row() const {
        std::string share;
        if (with_share && size > 0) share = " (" + std::to_string(reclaimable * 100 / size) + "%)";
        return Json{{"Type", type},
                    {"TotalCount", std::to_string(count)},
                    {"Active", std::to_string(active)},
                    {"Size", size_text(size)},
                    {"Reclaimable", size_text(reclaimable) + share}};
    }
};

Total images_total(const Json& usage) {
    Total total{"Images"};
    total.size = number_at(usage, "LayersSize");
    std::int64_t used = 0;
    for (const Json& image : list_of(usage, "Images")) {
        ++total.count;
        if (number_at(image, "Containers") <= 0) continue;
        ++total.active;
        used += number_at(image, "Size") - std::max<std::int64_t>(number_at(image, "SharedSize"), 0);
    }
    total.reclaimable = std::max<std::int64_t>(total.size - used, 0);
    return total;
}

Total containers_total(const Json& usage) {
    Total total{"Containers"};
    for (const Json& container : list_of(usage, "Containers")) {
        ++total.count;
        total.size += number_at(container, "SizeRw");
        const std::string state = text_at(container, "State");
        if (state == "running" || state == "paused" || state == "restarting")
            ++total.active;
        else
            total.reclaimable += number_at(container, "SizeRw");
    }
    return total;
}

Total volumes_total(const Json& usage) {
    Total total{"Local Volumes"};
    for (const Json& volume : list_of(usage, "Volumes")) {
        ++total.count;
        const std::int64_t size = std::max<std::int64_t>(number_at(volume, "UsageData", "Size"), 0);
        total.size += size;
        if (number_at(volume, "UsageData", "RefCount") > 0)
            ++total.active;
        else
            total.reclaimable += size;
    }
    return total;
}

Total cache_total(const Json& usage) {
    Total total{"Build Cache"};
    total.with_share = false;
    for (const Json& entry : list_of(usage, "BuildCache")) {
        ++total.count;
        total.size += flag_at(entry, "Shared") ? 0 : number_at(entry, "Size");
        if (flag_at(entry, "InUse"))
            ++total.active;
        else if (!flag_at(entry, "Shared"))
            total.reclaimable += number_at(entry, "Size");
    }
    return total;
}

std::string images_table(const Json& usage) {
    Table table({"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"});
    for (const Json& image : list_of(usage, "Images")) {
        std::vector<std::string> names;
        for (const Json& tag : list_of(image, "RepoTags")) names.push_back(as_text(tag));
        if (names.empty()) names.push_back("<none>:<none>");
        const std::int64_t size = number_at(image, "Size"), shared = number_at(image, "SharedSize");
        for (const std::string& name : names) {
            const std::size_t colon = name.rfind(':');
            table.add({name.substr(0, colon), colon == std::string::npos ? "<none>" : name.substr(colon + 1),
                       short_image_id(text_at(image, "Id")), human_ago(number_at(image, "Created")), size_text(size, 3),
                       size_text(shared, 3), size_text(shared < 0 ? -1 : size - shared, 3),
                       std::to_string(number_at(image, "Containers"))});
        }
    }
    return table.text();
}

std::string containers_table(const Json& usage) {
    Table table({"CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"});
    for (const Json& container : list_of(usage, "Containers")) {
        const Json row = container_row(container, true);
        table.add({text_at(row, "ID"), text_at(row, "Image"), text_at(row, "Command"), text_at(row, "LocalVolumes"),
                   size_text(number_at(container, "SizeRw")), text_at(row, "RunningFor"), text_at(row, "Status"),
                   text_at(row, "Names")});
    }
    return table.text();
}

std::string volumes_table(const Json& usage) {
    Table table({"VOLUME NAME", "LINKS", "SIZE"});
    for (const Json& volume : list_of(usage, "Volumes"))
        table.add({text_at(volume, "Name"), std::to_string(number_at(volume, "UsageData", "RefCount")),
                   size_text(number_at(volume, "UsageData", "Size"))});
    return table.text();
}

std::string cache_table(const Json& usage) {
    Table table({"CACHE ID", "CACHE TYPE", "SIZE", "USAGE", "SHARED"});
    for (const Json& entry : list_of(usage, "BuildCache"))
        table.add({shorten(text_at(entry, "ID"), 12), text_at(entry, "Type"), size_text(number_at(entry, "Size")),
                   std::to_string(number_at(entry, "UsageCount")), flag_at(entry, "Shared") ? "true" : "false"});
    return table.text();
}

}  // namespace

Result<int> disk_usage(Call& call) {
    bool verbose = false;
    std::string format;
    Flags flags;
    flags.boolean(verbose, 'v', "verbose", "Show detailed information on space usage");
    flags.text(format, 0, "format",
               "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    // Later versions of the API tell sums alone; the lists are what --verbose shows.
    GANTRY_TRY(Json usage, call.client().get("/v1.51/system/df"));
    if (!verbose) {
        const std::vector<Json> rows{images_total(usage).row(), containers_total(usage).row(),
                                     volumes_total(usage).row(), cache_total(usage).row()};
        const ListShape shape{{"Type", "TotalCount", "Active", "Size", "Reclaimable"}, {{"TotalCount", "TOTAL"}}};
        GANTRY_TRY(std::string text, format_list(rows, shape, format));
        print_out(text);
        return 0;
    }
    if (!format.empty() && format != "table") {
        GANTRY_TRY(std::string text, format_one(usage, format));
        print_out(text + (text.ends_with('\n') ? "" : "\n"));
        return 0;
    }
    print_out("Images space usage:\n\n" + images_table(usage) + "\nContainers space usage:\n\n" +
              containers_table(usage) + "\nLocal Volumes space usage:\n\n" + volumes_table(usage) +
              "\nBuild cache usage: " + size_text(cache_total(usage).size) + "\n\n" + cache_table(usage));
    return 0;
}

}  // namespace gantry::cli
