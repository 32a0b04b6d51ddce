// Options of one command, in Docker's manner: --name value, --name=value, -n value, -nvalue, -itd; "--" ends them.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::cli {

// Whether options may follow arguments. until_argument: the first argument ends them (run, exec, create).
enum class Options { anywhere = 1, until_argument };

class Flags {
public:
    using Set = std::function<Result<void>(std::string_view value)>;

    // Each takes: where the value goes, the letter (0: none), the name, the help text.
    void boolean(bool& target, char letter, const char* name, const char* help);
    void text(std::string& target, char letter, const char* name, const char* help, const char* type = "string");
    void list(std::vector<std::string>& target, char letter, const char* name, const char* help,
              const char* type = "list");
    void integer(std::int64_t& target, char letter, const char* name, const char* help, const char* type = "int");
    // Any other type: `set` says what is wrong with a value.
    void custom(Set set, char letter, const char* name, const char* type, const char* help);
    // The next option (or the last declared) may stand without a value and then has this one.
    void value_optional(std::string value) { flags_.back().bare_value = std::move(value); }
    // The last declared option works and is not listed in the help.
    void hide() { flags_.back().hidden = true; }

    // Takes the options out of `arguments` and gives the rest. GANTRY_INVALID: unknown option, value missing or wrong.
    Result<std::vector<std::string>> parse(const std::vector<std::string>& arguments, Options where);
    // Was the option given?
    bool given(std::string_view name) const;
    // --help was among the options; parse() has then stopped there.
    bool help_asked() const { return help_asked_; }
    // What there is, without the hidden ones, in the order of their declaration.
    struct Description {
        std::string name;
        char letter;
        bool takes_value;
        std::string help;
    };
    std::vector<Description> describe() const;
    // The "Options:" lines, sorted, Docker's layout; "" where there are none.
    std::string help() const;

private:
    struct Flag {
        const char* name;
        char letter;
        const char* type;  // "" for booleans
        const char* help;
        Set set;
        std::optional<std::string> bare_value;
        bool given = false;
        bool hidden = false;
        std::string preset;  // shown as (default ...)
    };
    Flag& add(const char* name, char letter, const char* type, const char* help, Set set);
    Flag* find(std::string_view name);
    Flag* find(char letter);
    Result<void> apply(Flag& flag, std::string_view shown, std::string_view value);
    Result<std::size_t> parse_long(std::string_view word, const std::vector<std::string>& arguments, std::size_t at);
    Result<std::size_t> parse_short(std::string_view letters, const std::vector<std::string>& arguments,
                                    std::size_t at);

    std::vector<Flag> flags_;
    bool help_asked_ = false;
};

// Docker's words for booleans in options: 1, t, true, 0, f, false.
std::optional<bool> parse_boolean(std::string_view text);

}  // namespace gantry::cli
