#include "core/base/text.hpp"
#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"

namespace gantry::cli {
namespace {

std::vector<std::string> texts(const Json& list) {
    std::vector<std::string> all;
    if (list.is_array())
        for (const Json& item : list) all.push_back(as_text(item));
    return all;
}

}  // namespace

Result<int> top(Call& call) {
    Flags flags;
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    std::vector<std::string> rest(args->begin() + 1, args->end());
    std::string target = "/containers/" + path_escape((*args)[0]) + "/top";
    if (!rest.empty()) target += query({{"ps_args", join(rest, " ")}});
    GANTRY_TRY(Json answer, call.client().get(target));
    Table table(texts(member(answer, "Titles")), 20);
    const Json& processes = member(answer, "Processes");
    if (processes.is_array())
        for (const Json& process : processes) table.add(texts(process));
    print_out(table.text());
    return 0;
}

}  // namespace gantry::cli
