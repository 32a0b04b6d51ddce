// What a client asks of the build cache, in the words of engine_line.hpp.
#pragma once
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::buildkit {

struct PruneWish {
    std::vector<std::string> filters;  // each "KEY==VALUE" or "KEY~=VALUE", several with commas between them
    bool all = false;
    std::int64_t keep_ns = 0;  // what was used within this time stays
    std::int64_t reserved_bytes = 0, most_bytes = 0, free_bytes = 0;
};

// GANTRY_UNSUPPORTED, GANTRY_INVALID: one line that names the filter.
Result<Json> read_prune(const PruneWish& wish);
// The records of a list, those that the filters name.
Result<Json> read_usage(const std::vector<std::string>& filters);

}  // namespace gantry::buildkit
