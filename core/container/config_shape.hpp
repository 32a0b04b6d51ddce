// What a container's configuration is made of, for the reader of requests and that of stored containers: what passes the
// first passes the second.
#pragma once
#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::container {

// Every field of ContainerConfig and HostConfig that a reply must have, with Docker's value for "nothing asked". Every
// stored container has them, too: one that is added here later has to be filled in where older records are read.
const Json& config_defaults();
const Json& host_config_defaults();

// `given` over `defaults`: a field of another type than its default is GANTRY_INVALID, naming it after `what`; unknown
// fields stay unread, as Docker's open schema has it.
Result<Json> completed(const Json& given, const Json& defaults, const char* what);

// The fields of a complete configuration, and their types down to the last member, so that whoever uses it need not ask. `endpoints`:
// NetworkingConfig.EndpointsConfig, an object. GANTRY_INVALID: names the first that is wrong.
Result<void> check_shape(const Json& config, const Json& host_config, const Json& endpoints);

}  // namespace gantry::container
