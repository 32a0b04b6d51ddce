// The value of RUN --mount, expanded: "type=cache,target=/root/.cache,sharing=locked".
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

#include "core/build/graph.hpp"

namespace gantry::build::dockerfile {

struct MountSpec {
    Mount mount;            // without `from`; `target` as written, "" where it was left out
    std::string from_name;  // a stage, an image or a context; ""
};

// The fields of a comma-separated list; a field may be quoted as in CSV.
Result<std::vector<std::string>> mount_fields(std::string_view text);
// `fields` after expansion. The type decides which keys there are; the error for any other lists them.
Result<MountSpec> parse_mount(const std::vector<std::string>& fields);

}  // namespace gantry::build::dockerfile
