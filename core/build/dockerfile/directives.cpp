#include "core/build/dockerfile/directives.hpp"

#include "core/base/text.hpp"
#include "core/image/references.hpp"

#include "core/build/dockerfile/lint.hpp"
#include "core/build/dockerfile/words.hpp"

namespace gantry::build::dockerfile {
namespace {

// "# name = value" taken apart; false for any other line.
bool directive_of(std::string_view line, std::string* name, std::string_view* value) {
    line = trim(line);
    if (!line.starts_with('#')) return false;
    line = trim(line.substr(1));
    std::size_t end = 0;
    while (end < line.size() && (is_letter(line[end]) || (end && is_digit(line[end])))) ++end;
    std::string_view rest = trim(line.substr(end));
    if (end == 0 || !rest.starts_with('=')) return false;
    *name = to_lower(line.substr(0, end));
    *value = trim(rest.substr(1));
    return !value->empty();
}

Result<std::set<std::string>> rules_of(std::string_view list) {
    std::set<std::string> rules;
    for (std::string_view word : split(list, ',')) {
        std::string name(trim(word)), lower = to_lower(name);
        const auto& known = rule_names();
        bool found = lower == "all" ||
                     std::any_of(known.begin(), known.end(), [&](const auto& rule) { return to_lower(rule) == lower; });
        if (!found) {
            std::string near = nearest(name, known);
            return fail(Code::invalid, "check: there is no rule " + quote_json(name) +
                                           (near.empty() ? "" : " (did you mean " + near + "?)"));
        }
        rules.insert(lower);
    }
    return rules;
}

}  // namespace

Result<CheckSettings> parse_check(std::string_view text) {
    CheckSettings settings;
    for (std::string_view part : split(text, ';')) {
        part = trim(part);
        if (part.empty()) continue;
        std::size_t equals = part.find('=');
        std::string name = to_lower(trim(part.substr(0, equals)));
        std::string_view value = equals == std::string_view::npos ? "" : trim(part.substr(equals + 1));
        if (name == "skip" && !value.empty()) {
            GANTRY_TRY(settings.skip, rules_of(value));
        } else if (name == "experimental" && !value.empty()) {
            GANTRY_TRY(settings.experimental, rules_of(value));
        } else if (name == "error" && (value == "true" || value == "false")) {
            settings.error = value == "true";
        } else {
            return fail(Code::invalid, "check: found " + quote_json(part) +
                                           ", allowed are skip=RULE,.., error=true|false and experimental=RULE,..");
        }
    }
    return settings;
}

Result<void> check_syntax(std::string_view front_end) {
    std::string_view name = front_end.substr(0, front_end.find('@'));
    if (std::size_t colon = name.rfind(':');
        colon != std::string_view::npos && name.find('/', colon) == std::string_view::npos)
        name = name.substr(0, colon);
    for (const char* built_in : {"docker/dockerfile", "docker/dockerfile-upstream"})
        if (image::qualified_name(name) == image::qualified_name(built_in)) return {};
    return fail(Code::unsupported,
                "syntax " + quote_json(front_end) +
                    " is not supported: front ends from images are not run, docker/dockerfile is built in");
}

Result<Directives> parse_directives(const std::vector<std::string_view>& lines, int* failed_line) {
    Directives directives;
    std::set<std::string> seen;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        // An executable Dockerfile.
        if (i == 0 && lines[i].starts_with("#!")) continue;
        std::string name;
        std::string_view value;
        if (!directive_of(lines[i], &name, &value)) break;
        // Any other name is a comment, and what follows a comment is no directive.
        if (name != "syntax" && name != "escape" && name != "check") break;
        *failed_line = static_cast<int>(i) + 1;
        if (!seen.insert(name).second)
            return fail(Code::invalid, "the directive \"" + name + "\" stands here a second time, allowed is one");
        if (name == "syntax") {
            GANTRY_CHECK(check_syntax(value));
        } else if (name == "check") {
            GANTRY_TRY(directives.check, parse_check(value));
        } else {
            if (value != "\\" && value != "`")
                return fail(Code::invalid, "escape: found " + quote_json(value) + ", allowed are \\ and `");
            directives.escape = value[0];
        }
    }
    *failed_line = 0;
    return directives;
}

}  // namespace gantry::build::dockerfile
