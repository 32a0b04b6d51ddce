// The body of POST /containers/create: checked, completed with defaults, merged with the image's configuration.
#pragma once
#include <string>
#include <vector>

#include "core/container/container.hpp"

namespace gantry::container {

struct CreateDefaults {
    std::string runtime, layer_driver;  // driver names
    std::string log_driver = "local";
    Json log_options = Json::object();  // of the configuration
    std::int64_t pids_limit = 4096;
    std::int64_t shm_size = 64 << 20;
};

// Gives a container without id, name, layer and mounts. `image_config` is the image's OCI config document's "config"
// member. Errors are GANTRY_INVALID or GANTRY_UNSUPPORTED in Docker's words where it has them. What is accepted but
// cannot be had here goes to *warnings.
Result<Container> read_create_request(const Json& body, const Json& image_config, const CreateDefaults& defaults,
                                      std::vector<std::string>* warnings);

// Each is "name:address" or "name=address", the address one of IPv4 or IPv6 or "host-gateway": a line of /etc/hosts and no
// more. GANTRY_INVALID.
Result<void> check_extra_hosts(const std::vector<std::string>& hosts);

// The limits in a complete HostConfig make sense, by themselves and together; GANTRY_INVALID in Docker's words.
Result<void> check_resources(const Json& host);

}  // namespace gantry::container
