// Links: names that other containers have within one container alone ("--link").
#pragma once
#include <string>
#include <string_view>

#include <gantry/result.hpp>

namespace gantry::network {

struct Link {
    std::string target;  // name or id of a container
    std::string alias;   // what it is called
};
// "db:database", "db", and "/db:/web/database" as inspect shows it. GANTRY_INVALID, in Docker's words.
Result<Link> parse_link(std::string_view text);

}  // namespace gantry::network
