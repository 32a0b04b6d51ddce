#include "core/base/text.hpp"
#include "core/cli/confirm.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/key_values.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {

Result<int> builder_prune(Call& call) {
    bool all = false, force = false;
    std::int64_t keep = -1;
    std::vector<std::string> filters;
    Flags flags;
    flags.boolean(all, 'a', "all", "Remove all unused build cache, not just dangling ones");
    flags.boolean(force, 'f', "force", "Do not prompt for confirmation");
    flags.list(filters, 0, "filter", "Provide filter values (e.g. \"until=24h\")", "filter");
    flags.custom(
        [&keep](std::string_view value) -> Result<void> {
            auto bytes = parse_size(value);
            if (!bytes) return fail(Code::invalid, "invalid size: '" + std::string(value) + "'");
            keep = *bytes;
            return {};
        },
        0, "keep-storage", "bytes", "Amount of disk space to keep for cache");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    GANTRY_TRY(std::string wanted, parse_filters(filters));
    if (!force && !confirmed(all ? "This will remove all build cache." : "This will remove all dangling build cache."))
        return 0;
    std::vector<std::pair<std::string, std::string>> pairs;
    if (all) pairs.emplace_back("all", "1");
    if (keep >= 0) pairs.emplace_back("keep-storage", std::to_string(keep));
    if (!wanted.empty()) pairs.emplace_back("filters", wanted);
    GANTRY_TRY(Json answer, call.client().post("/build/prune" + query(pairs)));
    const Json& deleted = member(answer, "CachesDeleted");
    std::string text;
    if (deleted.is_array())
        for (const Json& id : deleted) text += as_text(id) + "\n";
    if (!text.empty()) print_out("Deleted build cache objects:\n" + text + "\n");
    print_out("Total reclaimed space: " + human_size(as_real(member(answer, "SpaceReclaimed"))) + "\n");
    return 0;
}

}  // namespace gantry::cli
