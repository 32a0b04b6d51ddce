// What can be asked of an ipvlan network.
#pragma once
#include "plugins/network/common/child/options.hpp"

namespace gantry::ipvlan {

// The schema of a network's options, for describe().
Json object_options();
Result<child::Options> read_options(const Network& network);

}  // namespace gantry::ipvlan
