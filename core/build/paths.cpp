#include "core/build/paths.hpp"

namespace gantry::build {

std::string shown_url(const std::string& url) {
    const std::size_t scheme = url.find("://"), at = url.find('@');
    const std::size_t path = scheme == std::string::npos ? std::string::npos : url.find('/', scheme + 3);
    if (scheme == std::string::npos || at == std::string::npos || at > path) return url.substr(0, 300);
    return (url.substr(0, scheme + 3) + "xxxxx" + url.substr(at)).substr(0, 300);
}

}  // namespace gantry::build
