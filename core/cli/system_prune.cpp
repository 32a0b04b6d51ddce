// system prune: containers, networks, images and, where asked for, volumes and the build cache.
#include "core/cli/confirm.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/key_values.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

// Prunes one kind and gives what that freed.
Result<double> prune(Client& client, const std::string& target, const std::vector<std::string>& filters,
                     const char* member_name, const char* heading) {
    GANTRY_TRY(std::string wanted, parse_filters(filters));
    GANTRY_TRY(Json answer, client.post(target + (wanted.empty() ? std::string() : query({{"filters", wanted}}))));
    show_deleted(heading, member(answer, member_name));
    return as_real(member(answer, "SpaceReclaimed"));
}

}  // namespace

Result<int> system_prune(Call& call) {
    bool all = false, force = false, volumes = false;
    std::vector<std::string> filters;
    Flags flags;
    flags.boolean(all, 'a', "all", "Remove all unused images not just dangling ones");
    flags.boolean(force, 'f', "force", "Do not prompt for confirmation");
    flags.boolean(volumes, 0, "volumes", "Prune anonymous volumes");
    flags.list(filters, 0, "filter", "Provide filter values (e.g. \"label=<key>=<value>\")", "filter");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    for (const std::string& filter : filters)
        if (volumes && filter.starts_with("until="))
            return fail(Code::invalid, "the \"until\" filter is not supported with \"--volumes\"");
    std::string warning =
        "This will remove:\n  - all stopped containers\n  - all networks not used by at least one "
        "container\n";
    if (volumes) warning += "  - all anonymous volumes not used by at least one container\n";
    warning += all ? "  - all images without at least one container associated to them\n" : "  - all dangling images\n";
    warning += all ? "  - all build cache\n" : "  - unused build cache\n";
    if (!force && !confirmed(warning)) return 0;

    double reclaimed = 0;
    auto add = [&](Result<double> freed) -> Result<void> {
        if (!freed) return std::move(freed).error();
        reclaimed += *freed;
        return {};
    };
    Client& client = call.client();
    GANTRY_CHECK(add(prune(client, "/containers/prune", filters, "ContainersDeleted", "Deleted Containers")));
    GANTRY_CHECK(add(prune(client, "/networks/prune", filters, "NetworksDeleted", "Deleted Networks")));
    if (volumes) GANTRY_CHECK(add(prune(client, "/volumes/prune", filters, "VolumesDeleted", "Deleted Volumes")));
    auto image_filters = filters;
    if (all) image_filters.push_back("dangling=false");
    GANTRY_CHECK(add(prune(client, "/images/prune", image_filters, "ImagesDeleted", "Deleted Images")));
    // An engine that builds nothing has no cache to prune.
    auto cache =
        prune(client, all ? "/build/prune?all=1" : "/build/prune", {}, "CachesDeleted", "Deleted build cache objects");
    if (!cache && cache.error().code != Code::unsupported) return std::move(cache).error();
    if (cache) reclaimed += *cache;
    print_out("Total reclaimed space: " + human_size(reclaimed) + "\n");
    return 0;
}

}  // namespace gantry::cli
