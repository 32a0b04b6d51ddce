// Which ports a container publishes after some are added and others taken away.
#pragma once
#include <vector>

#include "core/container/container.hpp"
#include "core/network/network_service.hpp"

namespace gantry::container {

struct PortChanges {
    Json bindings;  // HostConfig.PortBindings from now on; they are all there is, --publish-all's too
    std::vector<network::Port> removed;  // of those that are bound
    std::vector<network::Port> added;    // as wished
};
// `add` and `remove`: in the shape of PortBindings, and well-typed. What is removed is named by the container's port alone
// ({"80/tcp": null}), or by the host's port or address too: the ones wished for, or the port that was found for one without.
// `bound`: as network::Attached has them; none while the container does not run. GANTRY_INVALID: no such port can be;
// GANTRY_NOT_FOUND: it is not published; GANTRY_CONFLICT: the container publishes it already.
Result<PortChanges> change_ports(const Container& container, const std::vector<network::Port>& bound, const Json& add,
                                 const Json& remove);

}  // namespace gantry::container
