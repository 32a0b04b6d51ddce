// Reads from JSON that another program wrote, without exceptions: what is missing or of another type reads as empty.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include <gantry/json.hpp>

namespace gantry::cli {

// The member, or null.
inline const Json& member(const Json& object, std::string_view key) {
    static const Json none;
    if (!object.is_object()) return none;
    auto found = object.find(key);
    return found == object.end() ? none : *found;
}
template <typename... Keys>
const Json& member(const Json& object, std::string_view key, std::string_view next, Keys... keys) {
    return member(member(object, key), next, keys...);
}

inline std::string as_text(const Json& value) {
    if (value.is_string()) return value.get_ref<const std::string&>();
    return value.is_null() ? std::string() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}
inline std::int64_t as_number(const Json& value) {
    if (value.is_number_float()) {
        double number = value.get<double>();
        return number > -9e18 && number < 9e18 ? static_cast<std::int64_t>(number) : 0;
    }
    return value.is_number() ? value.get<std::int64_t>() : 0;
}
inline double as_real(const Json& value) { return value.is_number() ? value.get<double>() : 0.0; }
inline bool as_flag(const Json& value) { return value.is_boolean() && value.get<bool>(); }

template <typename... Keys>
std::string text_at(const Json& object, Keys... keys) {
    return as_text(member(object, keys...));
}
template <typename... Keys>
std::int64_t number_at(const Json& object, Keys... keys) {
    return as_number(member(object, keys...));
}
template <typename... Keys>
bool flag_at(const Json& object, Keys... keys) {
    return as_flag(member(object, keys...));
}

// Parses; null-valued result with ok == false is told apart by is_discarded().
inline Json parse_json(std::string_view text) { return Json::parse(text, nullptr, false); }

}  // namespace gantry::cli
