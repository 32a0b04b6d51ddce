#include "plugins/network/common/child/options.hpp"

#include <net/if.h>

namespace gantry::child {
namespace {

bool can_name_an_interface(const std::string& name) {
    if (name.size() >= IFNAMSIZ || name == "." || name == "..") return false;
    for (char c : name)
        if (c <= ' ' || c > '~' || c == '/' || c == ':' || c == '"' || c == '%' || c == '\\') return false;
    return true;
}

}  // namespace

Json common_options() {
    return {{option_parent,
             {{"type", "string"},
              {"default", ""},
              {"help", "the host's interface whose network containers join; NAME.NUMBER is a VLAN of NAME"}}},
            {option_mtu,
             {{"type", "integer"},
              {"default", 0},
              {"minimum", 0},
              {"maximum", 65535},
              {"help", "largest packet in bytes; 0: that of the parent"}}}};
}

Result<Options> read_common(const Network& network) {
    Options options;
    options.parent = member<std::string>(network.options, option_parent);
    options.mtu = member<int>(network.options, option_mtu, 0);
    if (!can_name_an_interface(options.parent))
        return fail(Code::invalid, "option \"parent\": \"" + options.parent + "\" cannot name an interface; " +
                                       std::to_string(IFNAMSIZ - 1) + " printable characters at most are allowed");
    return options;
}

}  // namespace gantry::child
