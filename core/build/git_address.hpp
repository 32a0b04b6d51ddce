// Where git will really go: git itself follows redirects and dials what a name has for an address without asking anyone.
#pragma once
#include <string>
#include <vector>

#include <gantry/result.hpp>

#include "core/build/cancel.hpp"

namespace gantry::build {

struct GitAddress {
    std::string url;                         // what git is given
    std::vector<std::string> configuration;  // "key=value", so that it goes to the address that was looked at
};

// `written`: what the user wrote and what led to `url`, itself or the repository that it is a submodule of. Asks an http(s)
// server for the repository, following its redirects, and looks up the host of any other URL. Waits for the
// network. GANTRY_DENIED: it leads to an address that nothing is fetched from (remote_address.hpp). GANTRY_INVALID: it
// cannot be reached.
Result<GitAddress> settle_git_address(const std::string& url, const std::string& written, Cancel& cancel);

}  // namespace gantry::build
