// How the rest of an instruction's line is cut into words. Quotes and escapes are left in the words: expansion takes them away.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::build::dockerfile {

// Of ASCII, whatever the locale is.
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
std::string to_upper(std::string_view text);
// One line of valid UTF-8, for messages and names: control characters become blanks, what is cut within a character goes.
std::string one_line(std::string_view text);
// Words between blanks, as COPY has them.
std::vector<std::string> blank_words(std::string_view text);
// Words between blanks that are not within quotes or escaped, as ENV and the shell have them. A quote that is not closed
// goes on to the end.
std::vector<std::string> shell_words(std::string_view text, char escape);
// "[ "a", "b" ]": the strings. nullopt: it is no JSON list of strings.
std::optional<std::vector<std::string>> json_words(std::string_view text);

struct Flag {
    std::string name;
    std::optional<std::string> value;
};
// Takes the leading "--name[=value]" words off *text, quotes away, and "--" with them.
std::vector<Flag> take_flags(std::string_view* text, char escape);

}  // namespace gantry::build::dockerfile
