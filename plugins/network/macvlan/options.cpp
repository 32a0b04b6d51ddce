#include "plugins/network/macvlan/options.hpp"

#include <linux/if_link.h>

namespace gantry::macvlan {
namespace {

constexpr const char* option_mode = "macvlan_mode";
constexpr const char* option_host_access = "host_access";

struct Mode {
    const char* name;
    std::uint32_t number;
};
constexpr Mode modes[] = {{"bridge", MACVLAN_MODE_BRIDGE},
                          {"private", MACVLAN_MODE_PRIVATE},
                          {"vepa", MACVLAN_MODE_VEPA},
                          {"passthru", MACVLAN_MODE_PASSTHRU}};

}  // namespace

Json object_options() {
    Json options = child::common_options();
    Json names = Json::array();
    for (const Mode& mode : modes) names.push_back(mode.name);
    options[option_mode] = {{"type", "string"},
                            {"default", "bridge"},
                            {"values", names},
                            {"help",
                             "whom containers reach: each other (bridge), only what the switch sends back (vepa), "
                             "nobody on this host (private); passthru gives the parent to one container"}};
    options[option_host_access] = {{"type", "boolean"},
                                   {"default", false},
                                   {"reserves", child::host_address_name},
                                   {"help",
                                    "host and containers reach each other, by an address of the host's own in the "
                                    "network: the auxiliary address \"host\", or one that is chosen"}};
    return options;
}

Result<child::Options> read_options(const Network& network) {
    GANTRY_TRY(child::Options options, child::read_common(network));
    options.mode_text = member<std::string>(network.options, option_mode, "bridge");
    for (const Mode& mode : modes)
        if (options.mode_text == mode.name) options.mode = mode.number;
    if (options.mode == 0)
        return fail(Code::invalid, std::string("option \"") + option_mode + "\" is \"" + options.mode_text +
                                       "\"; one of \"bridge\", \"private\", \"vepa\", \"passthru\" is needed");
    options.alone = options.mode == MACVLAN_MODE_PASSTHRU;
    if (member<bool>(network.options, option_host_access)) {
        if (options.mode != MACVLAN_MODE_BRIDGE)
            return fail(Code::invalid, std::string("option \"") + option_host_access + "\" needs " + option_mode +
                                           " \"bridge\", not \"" + options.mode_text + "\"");
        const auto address = network.auxiliary.find(child::host_address_name);
        if (address == network.auxiliary.end())
            return fail(Code::invalid, std::string("option \"") + option_host_access +
                                           "\" needs an address for the host: the auxiliary address \"" +
                                           child::host_address_name + "\"");
        options.host_access = address->second;
    }
    return options;
}

}  // namespace gantry::macvlan
