#include "core/network/links.hpp"

#include "core/base/ids.hpp"
#include "core/base/text.hpp"

namespace gantry::network {

Result<Link> parse_link(std::string_view text) {
    if (text.empty()) return fail(Code::invalid, "empty string specified for links");
    const std::size_t colon = text.find(':');
    Link link{std::string(text.substr(0, colon)),
              std::string(colon == std::string_view::npos ? text : text.substr(colon + 1))};
    if (link.target.starts_with('/')) {
        link.target.erase(0, 1);
        link.alias.erase(0, link.alias.rfind('/') + 1);
    }
    // The alias becomes a line of /etc/hosts, and both are names that are asked for.
    if (!valid_name(link.target) || !valid_name(link.alias))
        return fail(Code::invalid, "bad format for links: " + quote_json(text.substr(0, 300)));
    return link;
}

}  // namespace gantry::network
