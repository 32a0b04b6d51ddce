#include "plugins/network/ipvlan/options.hpp"

#include <linux/if_link.h>

namespace gantry::ipvlan {
namespace {

constexpr const char* option_mode = "ipvlan_mode";
constexpr const char* option_flag = "ipvlan_flag";

struct Choice {
    const char* name;
    std::uint16_t number;
};
constexpr Choice modes[] = {{"l2", IPVLAN_MODE_L2}, {"l3", IPVLAN_MODE_L3}, {"l3s", IPVLAN_MODE_L3S}};
constexpr Choice flags[] = {{"bridge", 0}, {"private", IPVLAN_F_PRIVATE}, {"vepa", IPVLAN_F_VEPA}};

template <std::size_t n>
Json names_of(const Choice (&choices)[n]) {
    Json names = Json::array();
    for (const Choice& choice : choices) names.push_back(choice.name);
    return names;
}

template <std::size_t n>
Result<std::uint16_t> chosen(const Choice (&choices)[n], const char* option, const std::string& text) {
    for (const Choice& choice : choices)
        if (text == choice.name) return choice.number;
    return fail(Code::invalid, std::string("option \"") + option + "\" is \"" + text + "\"; one of " +
                                   names_of(choices).dump() + " is needed");
}

}  // namespace

Json object_options() {
    Json options = child::common_options();
    options[option_mode] = {
        {"type", "string"},
        {"default", "l2"},
        {"values", names_of(modes)},
        {"help", "Ethernet (l2), or packets that the parent routes (l3), seen by its firewall too (l3s)"}};
    options[option_flag] = {{"type", "string"},
                            {"default", "bridge"},
                            {"values", names_of(flags)},
                            {"help",
                             "whom containers reach: each other (bridge), nobody on this host (private), only what "
                             "the switch sends back (vepa)"}};
    return options;
}

Result<child::Options> read_options(const Network& network) {
    GANTRY_TRY(child::Options options, child::read_common(network));
    const auto mode = member<std::string>(network.options, option_mode, "l2"),
               flag = member<std::string>(network.options, option_flag, "bridge");
    GANTRY_TRY(options.mode, chosen(modes, option_mode, mode));
    GANTRY_TRY(options.flags, chosen(flags, option_flag, flag));
    options.mode_text = flag == "bridge" ? mode : mode + " with flag " + flag;
    options.one_mode = true;
    options.routed = mode != "l2";
    return options;
}

}  // namespace gantry::ipvlan
