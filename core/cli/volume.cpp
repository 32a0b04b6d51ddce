#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/key_values.hpp"
#include "core/cli/rows.hpp"

namespace gantry::cli {

Result<int> volume_create(Call& call) {
    std::string driver, name;
    std::vector<std::string> options, labels;
    Flags flags;
    flags.text(driver, 'd', "driver", "Specify volume driver name");
    flags.text(name, 0, "name", "Specify volume name");
    flags.hide();
    flags.list(options, 'o', "opt", "Set driver specific options", "map");
    flags.list(labels, 0, "label", "Set metadata for a volume");
    auto args = call.parse(flags, between(0, 1));
    if (!args) return call.exit_code();
    if (!args->empty() && !name.empty())
        return fail(Code::invalid,
                    "conflicting options: cannot specify a volume-name through both --name and as a positional arg");
    if (!args->empty()) name = (*args)[0];
    Json body = Json::object();
    if (!name.empty()) body["Name"] = name;
    if (!driver.empty()) body["Driver"] = driver;
    GANTRY_TRY(Json option_map, key_values(options, "--opt"));
    if (!option_map.empty()) body["DriverOpts"] = std::move(option_map);
    GANTRY_TRY(Json label_map, read_labels({}, labels));
    if (!label_map.empty()) body["Labels"] = std::move(label_map);
    GANTRY_TRY(Json made, call.client().post("/volumes/create", &body));
    print_out(text_at(made, "Name") + "\n");
    return 0;
}

Result<int> volume_ls(Call& call) {
    bool quiet = false;
    std::string format;
    std::vector<std::string> filters;
    Flags flags;
    flags.boolean(quiet, 'q', "quiet", "Only display volume names");
    flags.text(format, 0, "format",
               "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'");
    flags.list(filters, 'f', "filter", "Provide filter values (e.g. \"dangling=true\")", "filter");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    GANTRY_TRY(std::string wanted, parse_filters(filters));
    GANTRY_TRY(Json answer,
               call.client().get("/volumes" + (wanted.empty() ? std::string() : query({{"filters", wanted}}))));
    for (const Json& warning : member(answer, "Warnings")) print_err("WARNING: " + as_text(warning) + "\n");
    std::vector<Json> rows;
    const Json& list = member(answer, "Volumes");
    if (list.is_array())
        for (const Json& volume : list)
            rows.push_back(
                Json{{"Name", text_at(volume, "Name")},
                     {"Driver", text_at(volume, "Driver")},
                     {"Scope", text_at(volume, "Scope")},
                     {"Mountpoint", text_at(volume, "Mountpoint")},
                     {"Labels", labels_text(member(volume, "Labels"))},
                     {"__labels", member(volume, "Labels").is_object() ? member(volume, "Labels") : Json::object()}});
    std::sort(rows.begin(), rows.end(),
              [](const Json& a, const Json& b) { return text_at(a, "Name") < text_at(b, "Name"); });
    ListShape shape{{"Driver", "Name"}, {{"Name", "VOLUME NAME"}}};
    if (quiet) format = "{{.Name}}";
    GANTRY_TRY(std::string text, format_list(rows, shape, format));
    print_out(text);
    return 0;
}

Result<int> volume_rm(Call& call) {
    bool force = false;
    Flags flags;
    flags.boolean(force, 'f', "force", "Force the removal of one or more volumes");
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    return for_each_name(*args, [&](const std::string& name) -> Result<std::string> {
        GANTRY_TRY(Json done, call.client().remove("/volumes/" + path_escape(name) + (force ? "?force=1" : "")));
        return name;
    });
}

}  // namespace gantry::cli
