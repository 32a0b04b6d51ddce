#include "core/base/labels.hpp"

namespace gantry {

bool has_label(const Json& labels, const std::string& wanted) {
    if (!labels.is_object()) return false;
    const std::size_t equals = wanted.find('=');
    auto found = labels.find(wanted.substr(0, equals));
    return found != labels.end() && (equals == std::string::npos || *found == wanted.substr(equals + 1));
}

bool has_label(const std::map<std::string, std::string>& labels, const std::string& wanted) {
    const std::size_t equals = wanted.find('=');
    auto found = labels.find(wanted.substr(0, equals));
    return found != labels.end() && (equals == std::string::npos || found->second == wanted.substr(equals + 1));
}

}  // namespace gantry
