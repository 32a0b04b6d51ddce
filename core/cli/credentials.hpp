// Credentials of registries, wherever the user keeps them: config.json or a credential helper.
#pragma once
#include <string>
#include <string_view>

#include <gantry/result.hpp>

#include "core/cli/docker_config.hpp"

namespace gantry::cli {

// For a key of registry_host.hpp; empty where nothing is known. A helper that is missing, hangs, fails or answers for another
// registry is an error: nothing is sent then.
Result<Credentials> find_credentials(std::string_view registry);
// Keeps them; gives the path of config.json if they now stand in it unencrypted, "" if a helper has them.
Result<std::string> store_credentials(std::string_view registry, const Credentials& credentials);
// False: there were none in config.json.
Result<bool> erase_credentials(std::string_view registry);
// The header line "X-Registry-Auth: ...\r\n" for an image's registry; "" without credentials.
Result<std::string> registry_auth_header(std::string_view image);

}  // namespace gantry::cli
