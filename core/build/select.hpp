// Which files a COPY takes: its sources, patterns among them, found in the tree that it copies from.
#pragma once
#include <string>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/build/graph.hpp"

namespace gantry::build {

struct Selected {
    std::string path;     // as found, clean and relative to the root; "" is the root itself
    std::string name;     // its last component, "" for the root
    std::string parents;  // --parents: the directories of `path` behind the pivot "./", "" for none
    UniqueFd file;        // O_PATH; a link at the end has been followed, inside the root
    bool exact = true;    // no link was followed: `path` is where it lies
    bool directory = false;
};

// In the order of the sources, matches of a pattern in the order of their names. GANTRY_NOT_FOUND names a source that is
// not there.
Result<std::vector<Selected>> select_files(int root, const CopyAction& action);

}  // namespace gantry::build
