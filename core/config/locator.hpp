// Where in a text of JSON with comments each key and value stands.
#pragma once
#include <compare>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>

namespace gantry::config {

struct Place {
    std::size_t line = 1, column = 1;
    auto operator<=>(const Place&) const = default;
};

// Line and column of a byte.
Place place_of(std::string_view text, std::size_t byte);

// Reads a text that a JSON parser has accepted. Paths are JSON pointers: "/default/network", "/dns/0".
class Locator {
public:
    explicit Locator(std::string_view text);
    // Of the key where the path ends with one, of the value in an array. {1, 1} for the unknown.
    Place find(const std::string& pointer) const;
    // Keys that stand twice in one object; the second is what find() gives.
    const std::vector<std::string>& twice() const { return twice_; }

    // Nested deeper than 32: places further in are unknown.
    bool too_deep() const { return too_deep_; }

private:
    void value(const std::string& pointer, int depth);
    void skip_blanks();
    std::string string();

    std::string_view text_;
    std::size_t at_ = 0;
    std::map<std::string, std::size_t> places_;
    std::vector<std::string> twice_;
    bool too_deep_ = false;
};

}  // namespace gantry::config
