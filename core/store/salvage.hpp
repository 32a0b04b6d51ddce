// What can still be read of a damaged store is carried over into the new one.
#pragma once
#include <string>

#include "core/store/sqlite.hpp"

namespace gantry::store {

// Copies row by row from the store that lies at `damaged` (moved aside, with its log) into `fresh`, from both ends of
// each table, so that one bad page costs what was on it. Gives how many rows were saved; 0: nothing is readable.
std::int64_t salvage(const std::string& damaged, Database& fresh);

}  // namespace gantry::store
