// Contexts that the engine fetches by itself: `gantry build URL`.
#pragma once
#include "core/build/sources.hpp"
#include "core/build/trees.hpp"

namespace gantry::build {

// `kind` git: "URL#ref:subdir"; http: an archive, which is unpacked, or a Dockerfile, which is the only file then.
Result<std::shared_ptr<const Tree>> remote_context(Sources& sources, const std::string& kind, const std::string& url,
                                                   const OnProgress& progress, Cancel& cancel,
                                                   const AskSecret& secret = {});
// The tree without what the patterns leave out; the very same where there are none.
Result<std::shared_ptr<const Tree>> filtered(Sources& sources, std::shared_ptr<const Tree> tree,
                                             const std::vector<std::string>& exclude, Cancel& cancel);
// The text of a file in it, 4 MiB at most; inside it, whatever links say.
Result<std::string> read_in_tree(const Tree& tree, const std::string& path);

}  // namespace gantry::build
