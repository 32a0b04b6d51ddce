// Reads the body of a stored object member by member, for the readers of every kind. What is not as the engine writes
// it is damage: it is never taken for a default.
#pragma once
#include <string>
#include <type_traits>
#include <utility>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::store {

// Whether `json` is what a T is written as: no conversion between types, no number that a T cannot hold. T: bool, an
// integer, std::string, a list, set or map with text keys of such, or Json for anything.
template <typename T>
bool holds(const Json& json) {
    if constexpr (std::is_same_v<T, Json>) {
        return true;
    } else if constexpr (std::is_same_v<T, bool>) {
        return json.is_boolean();
    } else if constexpr (std::is_integral_v<T>) {
        if (json.is_number_unsigned()) return std::in_range<T>(json.get<std::uint64_t>());
        return json.is_number_integer() && std::in_range<T>(json.get<std::int64_t>());
    } else if constexpr (std::is_same_v<T, std::string>) {
        return json.is_string();
    } else if constexpr (requires { typename T::mapped_type; }) {
        if (!json.is_object()) return false;
        for (const Json& value : json)
            if (!holds<typename T::mapped_type>(value)) return false;
        return true;
    } else {
        if (!json.is_array()) return false;
        for (const Json& value : json)
            if (!holds<typename T::value_type>(value)) return false;
        return true;
    }
}

class Members {
public:
    // `body` is borrowed; it may be of any shape.
    explicit Members(const Json& body);

    // Absent is damage.
    template <typename T>
    Members& required(const char* name, T& value) {
        if (const Json* found = find(name, true)) take(name, *found, value);
        return *this;
    }
    // Absent leaves `value`: a member that an older engine did not write.
    template <typename T>
    Members& optional(const char* name, T& value) {
        if (const Json* found = find(name, false)) take(name, *found, value);
        return *this;
    }
    // A JSON object of the owner's own form.
    Members& object(const char* name, Json& value);

    // GANTRY_CORRUPT: names the first member that is missing or of another type.
    Result<void> result() const;

private:
    const Json* find(const char* name, bool required);
    void mark(const char* name, const Json& found);
    template <typename T>
    void take(const char* name, const Json& found, T& value) {
        if (holds<T>(found))
            value = found.get<T>();
        else
            mark(name, found);
    }

    const Json& body_;
    std::string problem_;
};

}  // namespace gantry::store
