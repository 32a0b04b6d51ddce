// Reads one configuration document member by member and remembers every problem with its place.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>

#include "core/config/locator.hpp"

namespace gantry::config {

class Reader {
public:
    Reader(std::string_view text, std::string file) : locator_(text), file_(std::move(file)) {}

    void problem(const std::string& pointer, const std::string& what);
    // In the order of the file, one line each.
    std::vector<std::string> problems() const;
    const Locator& locator() const { return locator_; }

    // False, and a problem, where `json` is no object; otherwise every member that is not in `known` is a problem.
    bool object(const Json& json, const std::string& pointer, std::span<const std::string> known);
    // The members below: absent or of a wrong kind leaves *out as it is.
    void text(const Json& json, const std::string& pointer, const char* key, std::string* out);
    // One of `allowed`.
    void choice(const Json& json, const std::string& pointer, const char* key, std::span<const std::string> allowed,
                std::string* out);
    void number(const Json& json, const std::string& pointer, const char* key, std::int64_t least, std::int64_t most,
                std::int64_t* out);
    void flag(const Json& json, const std::string& pointer, const char* key, bool* out);
    // A list of strings, of each of which `wrong` says what is wrong, "" for nothing.
    void texts(const Json& json, const std::string& pointer, const char* key, std::vector<std::string>* out,
               const std::function<std::string(const std::string&)>& wrong);

private:
    Locator locator_;
    std::string file_;
    std::vector<std::pair<Place, std::string>> problems_;
};

// What a value is, for a message: "the number 3", "the text \"x\"", "a list".
std::string found_in_words(const Json& json);

}  // namespace gantry::config
