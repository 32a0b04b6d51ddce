// The sources of ADD that are not files of the context: URLs and git repositories. What is taken from here goes to curl and git,
// so everything that they could take for an option, a path upwards or another protocol is refused.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <gantry/result.hpp>

#include "core/build/graph.hpp"

namespace gantry::build::dockerfile {

using Remote = std::variant<HttpSource, GitSource>;

// nullopt: `source` is a path. "https://host/repo.git[#ref[:subdir]]", "git://", "ssh://" and "git@host:path" are git, other
// "http://" and "https://" are fetched. GANTRY_INVALID: another protocol, or something in it that is refused.
Result<std::optional<Remote>> parse_remote(std::string_view source);
// The same URL without user and password, for messages and the image's history.
std::string without_credentials(std::string_view url);

}  // namespace gantry::build::dockerfile
