// Where the image of a reference is: the registry and the repository in it.
#pragma once
#include <string>
#include <string_view>

#include "core/image/image_store.hpp"

namespace gantry::image::registry {

struct Location {
    std::string host;        // as references name it: "localhost:5000", or the default registry's short name
    std::string repository;  // "library/debian"
};
// Docker's short names: without a registry the default one, and there without a "/" below "library".
Location location_of(const std::string& name);
// The name as users see it: the reverse.
std::string familiar_name(const Location& location);

// The name of the default registry.
const std::string& default_host();
// "HOST[:PORT]" at which the registry of that name is dialled.
std::string endpoint_of(const std::string& host);
// The registry that a login names: "", "HOST[:PORT]" or a URL of it. GANTRY_INVALID for anything else.
Result<std::string> host_of_server(std::string_view server);
// Where the default registry answers searches: "https://HOST".
const std::string& default_search_endpoint();

}  // namespace gantry::image::registry
