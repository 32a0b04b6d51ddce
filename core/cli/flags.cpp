#include "core/cli/flags.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace gantry::cli {

std::optional<bool> parse_boolean(std::string_view text) {
    for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"})
        if (text == yes) return true;
    for (const char* no : {"0", "f", "F", "false", "FALSE", "False"})
        if (text == no) return false;
    return std::nullopt;
}

Flags::Flag& Flags::add(const char* name, char letter, const char* type, const char* help, Set set) {
    flags_.push_back(Flag{name, letter, type, help, std::move(set), std::nullopt, false, false, {}});
    return flags_.back();
}

void Flags::boolean(bool& target, char letter, const char* name, const char* help) {
    Flag& flag = add(name, letter, "", help, [&target](std::string_view value) -> Result<void> {
        auto parsed = parse_boolean(value);
        if (!parsed) return fail(Code::invalid, "not a boolean");
        target = *parsed;
        return {};
    });
    flag.bare_value = "true";
    if (target) flag.preset = "true";
}

void Flags::text(std::string& target, char letter, const char* name, const char* help, const char* type) {
    Flag& flag = add(name, letter, type, help, [&target](std::string_view value) -> Result<void> {
        target = value;
        return {};
    });
    if (!target.empty()) flag.preset = "\"" + target + "\"";
}

void Flags::list(std::vector<std::string>& target, char letter, const char* name, const char* help, const char* type) {
    add(name, letter, type, help, [&target](std::string_view value) -> Result<void> {
        target.emplace_back(value);
        return {};
    });
}

void Flags::integer(std::int64_t& target, char letter, const char* name, const char* help, const char* type) {
    Flag& flag = add(name, letter, type, help, [&target](std::string_view value) -> Result<void> {
        auto number = parse_int(value);
        if (!number) return fail(Code::invalid, "not a whole number");
        target = *number;
        return {};
    });
    if (target != 0) flag.preset = std::to_string(target);
}

void Flags::custom(Set set, char letter, const char* name, const char* type, const char* help) {
    add(name, letter, type, help, std::move(set));
}

Flags::Flag* Flags::find(std::string_view name) {
    for (Flag& flag : flags_)
        if (flag.name == name) return &flag;
    return nullptr;
}

Flags::Flag* Flags::find(char letter) {
    for (Flag& flag : flags_)
        if (flag.letter == letter) return &flag;
    return nullptr;
}

bool Flags::given(std::string_view name) const {
    return std::any_of(flags_.begin(), flags_.end(), [&](const Flag& flag) { return flag.name == name && flag.given; });
}

Result<void> Flags::apply(Flag& flag, std::string_view shown, std::string_view value) {
    flag.given = true;
    auto done = flag.set(value);
    if (done) return {};
    return fail(Code::invalid, "invalid argument \"" + std::string(value) + "\" for \"" + std::string(shown) +
                                   "\" flag: " + done.error().text);
}

Result<std::size_t> Flags::parse_long(std::string_view word, const std::vector<std::string>& arguments,
                                      std::size_t at) {
    std::size_t equals = word.find('=');
    std::string_view name = word.substr(0, equals);
    Flag* flag = find(name);
    if (!flag) {
        if (name == "help") {
            help_asked_ = true;
            return at + 1;
        }
        std::vector<std::string> known{"help"};
        for (const Flag& candidate : flags_) known.emplace_back(candidate.name);
        std::string near = nearest(name, known);
        return fail(Code::invalid,
                    "unknown flag: --" + std::string(name) + (near.empty() ? "" : " (did you mean --" + near + "?)"));
    }
    std::string shown = std::string(flag->letter ? std::string("-") + flag->letter + ", " : "") + "--" + flag->name;
    if (equals != std::string_view::npos) {
        GANTRY_CHECK(apply(*flag, shown, word.substr(equals + 1)));
        return at + 1;
    }
    if (flag->bare_value) {
        GANTRY_CHECK(apply(*flag, shown, *flag->bare_value));
        return at + 1;
    }
    if (at + 1 >= arguments.size()) return fail(Code::invalid, "flag needs an argument: --" + std::string(name));
    GANTRY_CHECK(apply(*flag, shown, arguments[at + 1]));
    return at + 2;
}

Result<std::size_t> Flags::parse_short(std::string_view letters, const std::vector<std::string>& arguments,
                                       std::size_t at) {
    std::string_view all = letters;
    while (!letters.empty()) {
        Flag* flag = find(letters[0]);
        if (!flag) {
            if (letters[0] == 'h' && all.size() == 1) {
                help_asked_ = true;
                return at + 1;
            }
            // The nearest letter is the same one in the other case.
            const char other = static_cast<char>(letters[0] ^ 0x20);
            return fail(Code::invalid,
                        std::string("unknown shorthand flag: '") + letters[0] + "' in -" + std::string(all) +
                            (other != 0 && find(other) ? std::string(" (did you mean -") + other + "?)" : ""));
        }
        std::string shown = std::string("-") + flag->letter + ", --" + flag->name;
        letters.remove_prefix(1);
        if (letters.starts_with("=")) {
            GANTRY_CHECK(apply(*flag, shown, letters.substr(1)));
            return at + 1;
        }
        if (flag->bare_value) {
            GANTRY_CHECK(apply(*flag, shown, *flag->bare_value));
            continue;
        }
        if (!letters.empty()) {
            GANTRY_CHECK(apply(*flag, shown, letters));
            return at + 1;
        }
        if (at + 1 >= arguments.size())
            return fail(Code::invalid,
                        std::string("flag needs an argument: '") + flag->letter + "' in -" + std::string(all));
        GANTRY_CHECK(apply(*flag, shown, arguments[at + 1]));
        return at + 2;
    }
    return at + 1;
}

Result<std::vector<std::string>> Flags::parse(const std::vector<std::string>& arguments, Options where) {
    std::vector<std::string> rest;
    std::size_t at = 0;
    while (at < arguments.size() && !help_asked_) {
        std::string_view word = arguments[at];
        if (word == "--") {
            rest.insert(rest.end(), arguments.begin() + static_cast<std::ptrdiff_t>(at) + 1, arguments.end());
            return rest;
        }
        if (word.starts_with("--")) {
            GANTRY_TRY(at, parse_long(word.substr(2), arguments, at));
        } else if (word.size() > 1 && word[0] == '-') {
            GANTRY_TRY(at, parse_short(word.substr(1), arguments, at));
        } else {
            if (where == Options::until_argument) {
                rest.assign(arguments.begin() + static_cast<std::ptrdiff_t>(at), arguments.end());
                return rest;
            }
            rest.emplace_back(word);
            ++at;
        }
    }
    return rest;
}

std::vector<Flags::Description> Flags::describe() const {
    std::vector<Description> all;
    for (const Flag& flag : flags_)
        if (!flag.hidden) all.push_back({flag.name, flag.letter, !flag.bare_value, flag.help});
    return all;
}

std::string Flags::help() const {
    std::vector<const Flag*> shown;
    for (const Flag& flag : flags_)
        if (!flag.hidden) shown.push_back(&flag);
    if (shown.empty()) return {};
    std::sort(shown.begin(), shown.end(), [](auto* a, auto* b) { return std::string_view(a->name) < b->name; });
    std::vector<std::string> heads;
    std::size_t width = 0;
    for (const Flag* flag : shown) {
        std::string head = flag->letter ? std::string("  -") + flag->letter + ", --" : std::string("      --");
        head += flag->name;
        if (*flag->type) head += std::string(" ") + flag->type;
        width = std::max(width, head.size());
        heads.push_back(std::move(head));
    }
    std::string text = "Options:\n";
    for (std::size_t i = 0; i < shown.size(); ++i) {
        text += heads[i] + std::string(width - heads[i].size() + 3, ' ');
        // A line break in a help text goes on in the help column.
        for (const char* c = shown[i]->help; *c; ++c) {
            text += *c;
            if (*c == '\n') text.append(width + 3, ' ');
        }
        if (!shown[i]->preset.empty()) text += " (default " + shown[i]->preset + ")";
        text += '\n';
    }
    return text;
}

}  // namespace gantry::cli
