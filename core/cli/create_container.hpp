// Making a container from options, shared by run and create.
#pragma once
#include <string>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/cli/command.hpp"
#include "core/cli/container_options.hpp"

namespace gantry::cli {

// POST /containers/create; pulls first where --pull or a missing image asks for it, prints warnings, writes --cidfile.
// Gives the id.
Result<std::string> create_container(Client& client, const ContainerOptions& options, const Json& body);
// 127, 126 or 125 for what kept a container or command from starting, by Docker's rules.
int start_failure_code(const Error& error);

}  // namespace gantry::cli
