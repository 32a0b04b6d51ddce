#pragma once
#include <string>

#include <gantry/json.hpp>

namespace gantry::buildkit {

// A member that is text; "" where it is none.
inline std::string text_of(const Json& object, const char* key) {
    auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace gantry::buildkit
