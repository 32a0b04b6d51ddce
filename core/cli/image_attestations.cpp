// gantry image attestations: what was stated of an image when it was built.
#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/platform.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {

Result<int> image_attestations(Call& call) {
    std::string format, platform;
    std::vector<std::string> types;
    bool statement = false;
    Flags flags;
    flags.text(format, 0, "format",
               "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'");
    flags.text(platform, 0, "platform",
               "Show those of a specific platform of the image. Formatted as \"os[/arch[/variant]]\"");
    flags.boolean(statement, 0, "statement", "Print the statements themselves, as JSON");
    flags.list(types, 0, "type", "Show only statements of these types");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    if (statement && !format.empty()) return fail(Code::invalid, "--statement and --format cannot be given together");
    std::vector<std::pair<std::string, std::string>> parameters;
    if (!platform.empty()) {
        GANTRY_TRY(std::string value, platform_json(platform));
        parameters.emplace_back("platform", value);
    }
    for (const std::string& type : types) parameters.emplace_back("type", type);
    if (statement) parameters.emplace_back("statement", "1");
    const std::string target = "/images/" + path_escape((*args)[0]) + "/attestations" + query(parameters);
    if (statement) {
        GANTRY_TRY(std::string text, call.client().raw("GET", target));
        print_out(text);
        return 0;
    }
    GANTRY_TRY(Json all, call.client().get(target));
    std::vector<Json> rows;
    if (all.is_array())
        for (const Json& one : all) {
            const Json& descriptor = member(one, "Descriptor");
            rows.push_back(Json{{"PredicateType", text_at(one, "PredicateType")},
                                {"Digest", text_at(descriptor, "digest")},
                                {"Size", human_size(static_cast<double>(number_at(descriptor, "size")))}});
        }
    ListShape shape{{"PredicateType", "Digest", "Size"},
                    {{"PredicateType", "TYPE"}, {"Digest", "DIGEST"}, {"Size", "SIZE"}}};
    GANTRY_TRY(std::string text, format_list(rows, shape, format));
    print_out(text);
    return 0;
}

}  // namespace gantry::cli
