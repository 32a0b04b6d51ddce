#include "core/base/text.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/progress.hpp"

namespace gantry::cli {

Result<int> bootstrap(Call& call) {
    std::vector<std::string> include;
    std::string suite, variant;
    Flags flags;
    flags.text(suite, 0, "suite", "Release of the distribution (e.g. \"bookworm\")");
    flags.list(include, 0, "include", "Packages to add, separated by commas");
    flags.text(variant, 0, "variant", "Set of packages the image begins with (e.g. \"minbase\", \"essential\")");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    if (suite.empty())
        return fail(Code::invalid, "\"--suite\" is required: the release of the distribution, such as \"bookworm\"");
    Json packages = Json::array();
    for (const std::string& words : include)
        for (std::string_view word : split(words, ','))
            if (!trim(word).empty()) packages.push_back(std::string(trim(word)));
    Json body{{"reference", (*args)[0]}, {"suite", suite}, {"include", packages}, {"variant", variant}};
    GANTRY_TRY(Connection answer, call.client().open("POST", "/gantry/images/bootstrap", &body));
    GANTRY_CHECK(show_progress(answer, 1));
    return 0;
}

}  // namespace gantry::cli
