#include "core/build/dockerfile/flags.hpp"

#include "core/base/text.hpp"

namespace gantry::build::dockerfile {
namespace {

std::optional<bool> boolean_of(const Flag& flag) {
    if (!flag.value) return true;
    std::string word = to_lower(*flag.value);
    if (word == "true" || word == "1") return true;
    if (word == "false" || word == "0") return false;
    return std::nullopt;
}

}  // namespace

Result<Flags> Flags::take(std::string_view instruction, std::string_view* rest, char escape,
                          std::span<const FlagRule> rules) {
    Flags flags;
    const std::string of(instruction);
    for (Flag& flag : take_flags(rest, escape)) {
        auto rule = std::find_if(rules.begin(), rules.end(), [&](const FlagRule& r) { return r.name == flag.name; });
        const std::string shown = "--" + flag.name.substr(0, 60);
        if (rule == rules.end()) {
            if (rules.empty()) return fail(Code::invalid, "unknown flag " + shown + " of " + of + ", which has none");
            std::vector<std::string> known;
            for (const FlagRule& r : rules) known.push_back("--" + r.name);
            std::string near = nearest(shown, known);
            return fail(Code::invalid,
                        "unknown flag " + shown + " of " + of +
                            (near.empty() ? ", allowed are " + join(known, " ") : " (did you mean " + near + "?)"));
        }
        if (rule->kind != FlagRule::Kind::list && flags.has(flag.name))
            return fail(Code::invalid, of + ": the flag " + shown + " stands there a second time, allowed is one");
        if (rule->kind == FlagRule::Kind::boolean && !boolean_of(flag))
            return fail(Code::invalid,
                        of + " " + shown + ": found " + quote_json(*flag.value) + ", allowed are true and false");
        if (rule->kind != FlagRule::Kind::boolean && (!flag.value || flag.value->empty()))
            return fail(Code::invalid, of + ": the flag " + shown + " needs a value: " + shown + "=..");
        flags.flags_.push_back(std::move(flag));
    }
    return flags;
}

bool Flags::has(std::string_view name) const {
    return std::any_of(flags_.begin(), flags_.end(), [&](const Flag& flag) { return flag.name == name; });
}

std::string Flags::text(std::string_view name) const {
    for (const Flag& flag : flags_)
        if (flag.name == name) return flag.value.value_or("");
    return "";
}

bool Flags::boolean(std::string_view name) const {
    for (const Flag& flag : flags_)
        if (flag.name == name) return boolean_of(flag).value_or(false);
    return false;
}

std::vector<std::string> Flags::list(std::string_view name) const {
    std::vector<std::string> values;
    for (const Flag& flag : flags_)
        if (flag.name == name) values.push_back(flag.value.value_or(""));
    return values;
}

}  // namespace gantry::build::dockerfile
