// Members of documents that others wrote.
#pragma once
#include <string>
#include <vector>

#include <gantry/json.hpp>

namespace gantry::buildkit {

// A member that is text; "" where it is none.
inline std::string text_of(const Json& object, const char* key) {
    auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// What is text in a member that is a list.
inline std::vector<std::string> texts_of(const Json& object, const char* key) {
    std::vector<std::string> list;
    auto found = object.find(key);
    if (found == object.end() || !found->is_array()) return list;
    for (const Json& item : *found)
        if (item.is_string()) list.push_back(item);
    return list;
}

}  // namespace gantry::buildkit
