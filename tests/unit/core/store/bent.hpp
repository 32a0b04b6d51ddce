// Bodies that differ from a good one in one place: what a reader of stored objects has to refuse or to take as it is.
#pragma once
#include <string>
#include <vector>

#include <gantry/json.hpp>

namespace gantry::test {

struct Bent {
    std::string where;  // for the message of a failed expectation
    Json body;
};

namespace detail {

inline void places(const Json& value, const Json::json_pointer& at, std::vector<Json::json_pointer>& found) {
    found.push_back(at);
    if (value.is_object())
        for (const auto& [key, inner] : value.items()) places(inner, at / key, found);
    if (value.is_array())
        for (std::size_t i = 0; i < value.size(); ++i) places(value[i], at / i, found);
}

}  // namespace detail

// `body` with each of its members, at every depth, and itself, replaced by a value of every type.
inline std::vector<Bent> bent(const Json& body) {
    const Json values = Json::parse(R"([null, 5, -1, 1.5, 18446744073709551615, true, "text", [], [5], [null], [[]],
        [{}], {}, {"a": 5}, {"a": null}, {"a": []}, {"name": 5}])");
    std::vector<Json::json_pointer> places;
    detail::places(body, Json::json_pointer(), places);
    std::vector<Bent> all;
    for (const auto& place : places)
        for (const Json& value : values) {
            Json changed = body;
            changed[place] = value;
            if (changed != body) all.push_back({place.to_string() + " = " + value.dump(), std::move(changed)});
        }
    return all;
}

// `body` without each of its own members in turn.
inline std::vector<Bent> without_each(const Json& body) {
    std::vector<Bent> all;
    for (const auto& [key, unused] : body.items()) {
        Json changed = body;
        changed.erase(key);
        all.push_back({"no " + key, std::move(changed)});
    }
    return all;
}

}  // namespace gantry::test
