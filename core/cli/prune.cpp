#include <unistd.h>

#include "core/base/text.hpp"
#include "core/cli/confirm.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/key_values.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {

bool confirmed(std::string_view warning) {
    print_out("WARNING! " + std::string(warning) + "\nAre you sure you want to continue? [y/N] ");
    std::string answer;
    char c = 0;
    while (::read(0, &c, 1) == 1 && c != '\n' && answer.size() < 16) answer += c;
    return to_lower(trim(answer)) == "y" || to_lower(trim(answer)) == "yes";
}

void show_deleted(std::string_view heading, const Json& deleted) {
    if (!deleted.is_array() || deleted.empty()) return;
    std::string text = std::string(heading) + ":\n";
    for (const Json& entry : deleted) {
        if (!entry.is_object())
            text += as_text(entry) + "\n";
        else
            text += entry.contains("Deleted") ? "deleted: " + text_at(entry, "Deleted") + "\n"
                                              : "untagged: " + text_at(entry, "Untagged") + "\n";
    }
    print_out(text + "\n");
}

namespace {

struct Prune {
    const char* target;   // "/containers/prune"
    const char* deleted;  // member of the answer with names
    const char* heading;
    const char* warning;
    bool reclaims;  // the answer says how many bytes were freed
};

Result<int> prune(Call& call, const Prune& what, bool has_all, const char* all_filter, const char* all_value) {
    bool force = false, all = false;
    std::vector<std::string> filters;
    Flags flags;
    flags.boolean(force, 'f', "force", "Do not prompt for confirmation");
    flags.list(filters, 0, "filter", "Provide filter values (e.g. \"until=<timestamp>\")", "filter");
    if (has_all) flags.boolean(all, 'a', "all", "Remove all unused ones, not just dangling or anonymous ones");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    if (all) filters.push_back(std::string(all_filter) + "=" + all_value);
    GANTRY_TRY(std::string wanted, parse_filters(filters));
    if (!force && !confirmed(what.warning)) return 0;
    GANTRY_TRY(Json answer,
               call.client().post(what.target + (wanted.empty() ? std::string() : query({{"filters", wanted}}))));
    show_deleted(what.heading, member(answer, what.deleted));
    if (what.reclaims)
        print_out("Total reclaimed space: " + human_size(as_real(member(answer, "SpaceReclaimed"))) + "\n");
    return 0;
}

}  // namespace

Result<int> container_prune(Call& call) {
    return prune(call,
                 {"/containers/prune", "ContainersDeleted", "Deleted Containers",
                  "This will remove all stopped containers.", true},
                 false, "", "");
}
Result<int> image_prune(Call& call) {
    return prune(call,
                 {"/images/prune", "ImagesDeleted", "Deleted Images",
                  "This will remove all dangling images (with -a: all images that no container uses).", true},
                 true, "dangling", "false");
}
Result<int> network_prune(Call& call) {
    return prune(call,
                 {"/networks/prune", "NetworksDeleted", "Deleted Networks",
                  "This will remove all custom networks not used by at least one container.", false},
                 false, "", "");
}
Result<int> volume_prune(Call& call) {
    return prune(
        call,
        {"/volumes/prune", "VolumesDeleted", "Deleted Volumes",
         "This will remove anonymous local volumes (with -a: all volumes) not used by at least one container.", true},
        true, "all", "true");
}

}  // namespace gantry::cli
