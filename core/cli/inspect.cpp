#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/platform.hpp"

namespace gantry::cli {
namespace {

struct Kind {
    const char* name;
    const char* before;
    const char* after;
};
constexpr Kind kinds[] = {{"container", "/containers/", "/json"},
                          {"image", "/images/", "/json"},
                          {"network", "/networks/", ""},
                          {"volume", "/volumes/", ""},
                          {"plugin", "/plugins/", "/json"}};

// The object's JSON as the daemon wrote it.
Result<std::string> fetch(Client& client, std::string_view type, const std::string& name,
                          const std::string& parameters) {
    for (const Kind& kind : kinds) {
        if (!type.empty() && type != kind.name) continue;
        std::string target = kind.before + path_escape(name) + kind.after;
        if (kind.name != std::string_view("volume") && kind.name != std::string_view("plugin")) target += parameters;
        auto text = client.raw("GET", target);
        if (text || !type.empty() || text.error().code != Code::not_found) return text;
    }
    return fail(Code::not_found, "Error: No such object: " + name);
}

Result<int> show(Call& call, std::string type, bool type_is_fixed) {
    std::string format, platform;
    bool size = false, verbose = false;
    Flags flags;
    flags.text(format, 'f', "format", "Format output using a custom template: 'json' or 'TEMPLATE'");
    if (!type_is_fixed || type == "container")
        flags.boolean(size, 's', "size", "Display total file sizes if the type is container");
    if (!type_is_fixed) flags.text(type, 0, "type", "Only inspect objects of the given type");
    if (type == "network") flags.boolean(verbose, 'v', "verbose", "Verbose output for diagnostics");
    if (type_is_fixed && type == "image")
        flags.text(platform, 0, "platform",
                   "Inspect a specific platform of the image. Formatted as \"os[/arch[/variant]]\"");
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    std::vector<std::pair<std::string, std::string>> parameters;
    if (size) parameters.emplace_back("size", "1");
    if (verbose) parameters.emplace_back("verbose", "1");
    if (!platform.empty()) {
        GANTRY_TRY(std::string value, platform_json(platform));
        parameters.emplace_back("platform", value);
    }
    bool known = type.empty();
    for (const Kind& kind : kinds) known = known || type == kind.name;
    if (!known)
        return fail(
            Code::invalid,
            "\"" + type + "\" is not a valid value for --type: want container, image, network, volume or plugin");
    std::string all, errors;
    for (const std::string& name : *args) {
        auto text = fetch(call.client(), type, name, query(parameters));
        if (!text) {
            errors += error_line(text.error());
            continue;
        }
        if (format.empty()) {
            all += (all.empty() ? "" : ",") + *text;
            continue;
        }
        Json object = parse_json(*text);
        GANTRY_TRY(std::string line, format_one(object, format));
        all += line + "\n";
    }
    print_out(format.empty() ? indent_json("[" + all + "]") + "\n" : all);
    print_err(errors);
    return errors.empty() ? 0 : 1;
}

}  // namespace

Result<int> inspect(Call& call) { return show(call, "", false); }
Result<int> inspect_container(Call& call) { return show(call, "container", true); }
Result<int> inspect_image(Call& call) { return show(call, "image", true); }
Result<int> inspect_network(Call& call) { return show(call, "network", true); }
Result<int> inspect_plugin(Call& call) { return show(call, "plugin", true); }
Result<int> inspect_volume(Call& call) { return show(call, "volume", true); }

}  // namespace gantry::cli
