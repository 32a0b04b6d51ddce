// Objects of the API as rows of lists.
#pragma once
#include <string>

#include <gantry/json.hpp>

namespace gantry::cli {

// Fields as `gantry ps --format` knows them, from an entry of GET /containers/json.
Json container_row(const Json& container, bool shortened);
// "a=b,c=d"
std::string labels_text(const Json& labels);

}  // namespace gantry::cli
