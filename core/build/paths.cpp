#include "core/build/paths.hpp"

namespace gantry::build {

std::string shown_url(const std::string& url) {
    const std::size_t scheme = url.find("://");
    if (scheme == std::string::npos) return url.substr(0, 300);
    // A password may have an "@" in it.
    const std::size_t at = url.substr(0, url.find('/', scheme + 3)).rfind('@');
    if (at == std::string::npos || at < scheme + 3) return url.substr(0, 300);
    return (url.substr(0, scheme + 3) + "xxxxx" + url.substr(at)).substr(0, 300);
}

}  // namespace gantry::build
