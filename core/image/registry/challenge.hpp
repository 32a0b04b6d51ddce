// WWW-Authenticate, as RFC 9110 section 11 writes it: what a registry asks for.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gantry::image::registry {

struct Challenge {
    std::string scheme;                             // lower case: "bearer"
    std::map<std::string, std::string> parameters;  // names in lower case; of a name that stands twice, none
};

// The challenges of one header, in its order. Hostile text: what does not follow the grammar ends the list, and the
// challenge in which it stands is left out. 16 KiB are looked at, at most.
std::vector<Challenge> parse_challenges(std::string_view header);

}  // namespace gantry::image::registry
