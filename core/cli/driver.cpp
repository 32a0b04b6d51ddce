#include <climits>
#include <cstdlib>

#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"

namespace gantry::cli {

Result<int> driver_ls(Call& call) {
    bool quiet = false;
    std::string format;
    Flags flags;
    flags.boolean(quiet, 'q', "quiet", "Only display driver names");
    flags.text(format, 0, "format",
               "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    GANTRY_TRY(Json list, call.client().get("/gantry/drivers"));
    std::vector<Json> rows;
    if (list.is_array())
        for (const Json& driver : list) {
            std::string problem = text_at(driver, "problem");
            rows.push_back(Json{{"Name", text_at(driver, "name")},
                                {"Kind", text_at(driver, "kind")},
                                {"Version", text_at(driver, "version")},
                                {"Isolation", text_at(driver, "isolation")},
                                {"State", !problem.empty()            ? "refused: " + problem
                                          : flag_at(driver, "loaded") ? "loaded"
                                                                      : "not loaded"},
                                {"Summary", text_at(driver, "summary")},
                                {"File", text_at(driver, "file")}});
        }
    ListShape shape{{"Name", "Kind", "Version", "Isolation", "State", "Summary"}, {}};
    if (quiet) format = "{{.Name}}";
    GANTRY_TRY(std::string text, format_list(rows, shape, format));
    print_out(text);
    return 0;
}

Result<int> driver_inspect(Call& call) {
    std::string format;
    Flags flags;
    flags.text(format, 'f', "format", "Format output using a custom template: 'json' or 'TEMPLATE'");
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    std::string all, errors;
    for (const std::string& name : *args) {
        auto text = call.client().raw("GET", "/gantry/drivers/" + path_escape(name));
        if (!text) {
            errors += error_line(text.error());
            continue;
        }
        if (format.empty()) {
            all += (all.empty() ? "" : ",") + *text;
            continue;
        }
        GANTRY_TRY(std::string line, format_one(parse_json(*text), format));
        all += line + "\n";
    }
    print_out(format.empty() ? indent_json("[" + all + "]") + "\n" : all);
    print_err(errors);
    return errors.empty() ? 0 : 1;
}

Result<int> driver_check(Call& call) {
    Flags flags;
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    char path[PATH_MAX];
    if (!::realpath((*args)[0].c_str(), path)) return fail_errno("driver file \"" + (*args)[0] + "\"");
    Json body{{"file", path}};
    GANTRY_TRY(Json answer, call.client().post("/gantry/drivers/check", &body));
    std::string text;
    const Json& checks = member(answer, "checks");
    if (checks.is_array())
        for (const Json& check : checks) {
            std::string message = text_at(check, "message");
            text += std::string(flag_at(check, "ok") ? "ok    " : "FAIL  ") + text_at(check, "name") +
                    (message.empty() ? "" : ": " + message) + "\n";
        }
    bool good = flag_at(answer, "ok");
    print_out(text + path + (good ? ": would be loaded\n" : ": would be refused\n"));
    return good ? 0 : 1;
}

}  // namespace gantry::cli
