#include "core/build/dockerfile/expand.hpp"

#include "core/base/text.hpp"

#include "core/build/dockerfile/limits.hpp"
#include "core/build/dockerfile/pattern.hpp"
#include "core/build/dockerfile/words.hpp"

namespace gantry::build::dockerfile {
namespace {

std::string_view text_of(const std::string* value) { return value ? std::string_view(*value) : std::string_view(); }
bool is_name_start(char c) { return c == '_' || is_letter(c); }

class Expander {
public:
    Expander(std::string_view word, const Lookup& lookup, Budget* budget, const ExpandOptions& options)
        : rest_(word), whole_(word), lookup_(lookup), budget_(*budget), options_(options) {}

    Result<Expanded> run() {
        GANTRY_CHECK(text_until("", &result_.text, 0));
        return std::move(result_);
    }

private:
    // Reads up to one of `stops` outside of quotes, which stays, or to the end. `depth`: of braces.
    Result<void> text_until(std::string_view stops, std::string* out, std::size_t depth) {
        while (!rest_.empty()) {
            char c = rest_[0];
            if (stops.find(c) != std::string_view::npos) return {};
            if (c == '\'' && !options_.keep_quotes) {
                std::size_t end = rest_.find('\'', 1);
                if (end == std::string_view::npos) return unclosed('\'');
                GANTRY_CHECK(add(out, rest_.substr(1, end - 1)));
                rest_.remove_prefix(end + 1);
            } else if (c == '"' && !options_.keep_quotes) {
                rest_.remove_prefix(1);
                GANTRY_CHECK(double_quoted(out, depth));
            } else if (c == '$') {
                GANTRY_CHECK(variable(out, depth));
            } else if (c == options_.escape) {
                rest_.remove_prefix(1);
                // In a here-document only what would mean something is escaped; elsewhere any character.
                if (options_.keep_quotes && !(rest_.starts_with('$') || rest_.starts_with(c))) {
                    GANTRY_CHECK(add(out, std::string_view(&c, 1)));
                } else if (!rest_.empty()) {
                    GANTRY_CHECK(add(out, rest_.substr(0, 1)));
                    rest_.remove_prefix(1);
                }
            } else {
                GANTRY_CHECK(add(out, rest_.substr(0, 1)));
                rest_.remove_prefix(1);
            }
        }
        return {};
    }

    Result<void> double_quoted(std::string* out, std::size_t depth) {
        while (!rest_.empty()) {
            char c = rest_[0];
            if (c == '"') {
                rest_.remove_prefix(1);
                return {};
            }
            if (c == '$') {
                GANTRY_CHECK(variable(out, depth));
                continue;
            }
            if (c == options_.escape && rest_.size() > 1 && (rest_[1] == '"' || rest_[1] == '$' || rest_[1] == c))
                rest_.remove_prefix(1);
            GANTRY_CHECK(add(out, rest_.substr(0, 1)));
            rest_.remove_prefix(1);
        }
        return unclosed('"');
    }

    // A name at the front, "" where there is none: letters, or one character of the shell's own.
    std::string take_name() {
        std::size_t end = 0;
        if (!rest_.empty() && is_name_start(rest_[0]))
            while (end < rest_.size() && (is_name_start(rest_[end]) || is_digit(rest_[end]))) ++end;
        else if (!rest_.empty() &&
                 (is_digit(rest_[0]) || std::string_view("@*#?-$!").find(rest_[0]) != std::string_view::npos))
            end = 1;
        std::string name(rest_.substr(0, end));
        rest_.remove_prefix(end);
        return name;
    }

    Result<void> variable(std::string* out, std::size_t depth) {
        rest_.remove_prefix(1);
        if (rest_.starts_with('{')) {
            rest_.remove_prefix(1);
            if (depth == kMaxExpansionDepth)
                return fail(Code::exhausted,
                            "variables are nested more than " + std::to_string(kMaxExpansionDepth) + " deep");
            return braced(out, depth + 1);
        }
        std::string name = take_name();
        if (name.empty()) return add(out, "$");
        return add(out, text_of(value_of(name, true)));
    }

    Result<void> braced(std::string* out, std::size_t depth) {
        std::string name = take_name();
        if (name.empty()) return bad("a variable needs a name after \"${\"");
        if (rest_.empty()) return bad("\"${" + name + "\" is not closed with \"}\"");
        if (rest_[0] == '}') {
            rest_.remove_prefix(1);
            return add(out, text_of(value_of(name, true)));
        }
        bool colon = rest_.starts_with(':');
        if (colon) rest_.remove_prefix(1);
        char modifier = rest_.empty() ? '\0' : rest_[0];
        if (!rest_.empty()) rest_.remove_prefix(1);
        if (modifier == '-' || modifier == '+' || modifier == '?') return with_word(name, colon, modifier, out, depth);
        if (!colon && (modifier == '#' || modifier == '%')) return without(name, modifier, out, depth);
        if (!colon && modifier == '/') return replaced(name, out, depth);
        return bad("unsupported modifier \"" + std::string(colon ? ":" : "") + std::string(modifier ? 1 : 0, modifier) +
                   "\" in \"${" + name + "\", allowed are - :- + :+ ? :? # ## % %% / //");
    }

    Result<void> closing(const std::string& name) {
        if (!rest_.starts_with('}')) return bad("\"${" + name + "\" is not closed with \"}\"");
        rest_.remove_prefix(1);
        return {};
    }

    Result<void> with_word(const std::string& name, bool colon, char modifier, std::string* out, std::size_t depth) {
        std::string word;
        GANTRY_CHECK(text_until("}", &word, depth));
        GANTRY_CHECK(closing(name));
        const std::string* value = value_of(name, false);
        bool there = value && !(colon && value->empty());
        if (modifier == '-') return add(out, there ? *value : word);
        if (modifier == '+') return add(out, there ? word : "");
        if (there) return add(out, *value);
        if (word.empty()) word = colon ? "is not set or is empty" : "is not set";
        return fail(Code::invalid, name + ": " + word);
    }

    Result<void> without(const std::string& name, char modifier, std::string* out, std::size_t depth) {
        bool longest = rest_.starts_with(modifier);
        if (longest) rest_.remove_prefix(1);
        std::string pattern;
        GANTRY_CHECK(pattern_until("}", &pattern, depth));
        GANTRY_CHECK(closing(name));
        std::string_view value = text_of(value_of(name, true));
        std::string left = modifier == '#' ? strip_prefix(value, pattern, longest, &budget_.pattern_steps)
                                           : strip_suffix(value, pattern, longest, &budget_.pattern_steps);
        if (budget_.pattern_steps == 0) return too_much_matching();
        return add(out, left);
    }

    Result<void> replaced(const std::string& name, std::string* out, std::size_t depth) {
        bool all = rest_.starts_with('/');
        if (all) rest_.remove_prefix(1);
        std::string pattern, replacement;
        GANTRY_CHECK(pattern_until("/}", &pattern, depth));
        if (rest_.starts_with('/')) {
            rest_.remove_prefix(1);
            GANTRY_CHECK(text_until("}", &replacement, depth));
        }
        GANTRY_CHECK(closing(name));
        std::string_view value = text_of(value_of(name, true));
        // What one character becomes may be long: the size is known only afterwards, so its bound is taken beforehand.
        if (replacement.size() * (all ? value.size() : 1) > kMaxValue * 16) return too_long();
        std::string changed = replace_matches(value, pattern, replacement, all, &budget_.pattern_steps);
        if (budget_.pattern_steps == 0) return too_much_matching();
        return add(out, changed);
    }

    // Like text_until(), but an escaped character stays escaped: the pattern's own reading takes the escape away.
    Result<void> pattern_until(std::string_view stops, std::string* out, std::size_t depth) {
        while (!rest_.empty() && stops.find(rest_[0]) == std::string_view::npos) {
            if (rest_[0] == options_.escape && rest_.size() > 1) {
                GANTRY_CHECK(add(out, "\\"));
                rest_.remove_prefix(1);
                GANTRY_CHECK(add(out, rest_.substr(0, 1)));
                rest_.remove_prefix(1);
                continue;
            }
            std::string all_stops(stops);
            all_stops += options_.escape;
            GANTRY_CHECK(text_until(all_stops, out, depth));
            if (rest_.size() == 1 && rest_[0] == options_.escape) rest_ = {};
        }
        return {};
    }

    const std::string* value_of(const std::string& name, bool remarkable) {
        const std::string* value = lookup_(name);
        if (value)
            result_.matched.insert(name);
        else if (remarkable)
            result_.unmatched.insert(name);
        return value;
    }

    Result<void> add(std::string* out, std::string_view more) {
        if (out->size() + more.size() > (options_.keep_quotes ? kMaxText : kMaxValue)) return too_long();
        if (!budget_.spend(more.size())) return budget_error();
        out->append(more);
        return {};
    }

    Error bad(std::string why) const {
        return fail(Code::invalid, std::move(why) + " in " + quote_json(whole_.substr(0, 100)));
    }
    Error unclosed(char quote) const { return bad(std::string("the quote ") + quote + " is not closed"); }
    Error too_long() const {
        return fail(Code::exhausted, "an expanded value is longer than " + std::to_string(kMaxValue) + " bytes");
    }
    Error too_much_matching() const {
        return fail(Code::exhausted, "the patterns of variables take too long to match");
    }

    std::string_view rest_, whole_;
    const Lookup& lookup_;
    Budget& budget_;
    ExpandOptions options_;
    Expanded result_;
};

}  // namespace

bool Budget::spend(std::size_t more) {
    if (more > bytes) return false;
    bytes -= more;
    return true;
}

Error budget_error() {
    return fail(Code::exhausted, "the build plan is larger than " + std::to_string(kMaxPlan) + " bytes");
}

Result<Expanded> expand(std::string_view word, const Lookup& lookup, Budget* budget, const ExpandOptions& options) {
    return Expander(word, lookup, budget, options).run();
}

}  // namespace gantry::build::dockerfile
