// Linux capabilities by name: what a container gets. Source: capabilities(7); the default set is DESIGN 6's.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::container {

// Docker's list less MKNOD, NET_RAW and AUDIT_WRITE, sorted.
const std::vector<std::string>& default_capabilities();
// Every capability this kernel knows and this process may give (its bounding set), sorted: what --privileged means.
const std::vector<std::string>& all_capabilities();
// The set after --cap-add and --cap-drop ("ALL", with or without "CAP_", any case). Unknown name: GANTRY_INVALID in
// Docker's words with the nearest. A name this machine cannot give is left out and put into *withheld.
Result<std::vector<std::string>> effective_capabilities(const std::vector<std::string>& base,
                                                        const std::vector<std::string>& add,
                                                        const std::vector<std::string>& drop,
                                                        std::vector<std::string>* withheld);

}  // namespace gantry::container
