// The filters of the prune operations: which of the unused objects go.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/daemon/http/http.hpp"

namespace gantry::daemon {

struct PruneFilters {
    std::optional<std::int64_t> until_ns;  // only what was created before
    std::vector<std::string> labels, not_labels;  // "key" or "key=value"
    std::optional<bool> dangling, all;
    std::optional<std::int64_t> unused_for_ns;

    bool fits(std::int64_t created_ns, const Json& object_labels) const;
};

// `known`: which of until, label, label!, dangling, all, unused-for the operation has. GANTRY_INVALID for another one or
// a value that is none, in Docker's words.
Result<PruneFilters> read_prune_filters(const http::Request& request, const std::vector<std::string>& known);

}  // namespace gantry::daemon
