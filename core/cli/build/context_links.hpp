// COPY's sources may name symbolic links, or lead through them: what they point to has to be walked as well.
#pragma once
#include <string>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::cli {

// `paths` (clean, relative, patterns among them) and the places that links on the way lead to, all below `root`: an absolute
// target counts from there, ".." ends there. A name that is not there is no error. GANTRY_EXHAUSTED: links without end.
Result<std::vector<std::string>> follow_links(int root, const std::vector<std::string>& paths);

}  // namespace gantry::cli
