#include "core/buildkit/image_name.hpp"

namespace gantry::buildkit {

std::string full_name(const std::string& name) {
    const std::size_t slash = name.find('/');
    const std::string first = name.substr(0, slash);
    std::string full = name;
    if (slash == std::string::npos)
        full = "docker.io/library/" + name;
    else if (first.find_first_of(".:") == std::string::npos && first != "localhost")
        full = "docker.io/" + name;
    if (full.find(':', full.rfind('/')) == std::string::npos) full += ":latest";
    return full;
}

std::string login_host(const std::string& registry) {
    return registry == "docker.io" ? "registry-1.docker.io" : registry;
}

}  // namespace gantry::buildkit
