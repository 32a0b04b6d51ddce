// Which registry a name belongs to, in the words of Docker's config.json.
#pragma once
#include <string>
#include <string_view>

namespace gantry::cli {

// The key under which config.json keeps the credentials for an image's registry: "reg:5000" for "reg:5000/app:1"; for names
// without a registry the long key of the default one.
std::string registry_of_image(std::string_view reference);
// The same for what a user names at login: with or without scheme and path; "" is the default registry.
std::string registry_of_server(std::string_view server);
// "https://reg:5000/v1/" -> "reg:5000".
std::string registry_host(std::string_view key);
// How people know it: the default registry's short name, others as they are.
std::string registry_title(std::string_view key);

// The name with the registry that a short one stands for, as Docker prints it after a pull.
std::string complete_name(std::string_view reference);

}  // namespace gantry::cli
