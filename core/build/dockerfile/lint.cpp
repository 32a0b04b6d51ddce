#include "core/build/dockerfile/lint.hpp"

#include "core/base/text.hpp"

#include "core/build/dockerfile/limits.hpp"
#include "core/build/dockerfile/words.hpp"

namespace gantry::build::dockerfile {
namespace {

void lint_casing(const std::vector<Instruction>& instructions, Lint* lint) {
    std::size_t lower = 0, upper = 0;
    for (const Instruction& instruction : instructions) {
        lower += instruction.written == to_lower(instruction.written);
        upper += instruction.written == instruction.name;
    }
    const bool want_lower = lower > upper;
    for (const Instruction& instruction : instructions)
        if (instruction.written != (want_lower ? to_lower(instruction.written) : instruction.name))
            lint->warn("ConsistentInstructionCasing",
                       "the instruction " + instruction.written + " is not in " + (want_lower ? "lower" : "upper") +
                           " case as most others are",
                       instruction);
}

void lint_stage(const Instruction& instruction, const From& from, std::set<std::string>* names, Lint* lint) {
    if (!from.as_written.empty()) {
        bool lower = from.from_written == to_lower(from.from_written),
             upper = from.from_written == to_upper(from.from_written);
        if ((lower && from.as_written != "as") || (upper && from.as_written != "AS"))
            lint->warn("FromAsCasing", from.as_written + " is not in the case of " + from.from_written, instruction);
    }
    if (from.stage.empty()) return;
    const std::string name = to_lower(from.stage);
    if (name != from.stage)
        lint->warn("StageNameCasing", "the name of stage " + quote_json(from.stage) + " is not in lower case",
                   instruction);
    if (name == "scratch" || name == "context")
        lint->warn("ReservedStageName", quote_json(name) + " means something else: a stage needs another name",
                   instruction);
    if (!names->insert(name).second)
        lint->warn("DuplicateStageName",
                   "there is a stage " + quote_json(name) + " already: instructions reach only the last of them",
                   instruction);
}

// A comment straight above a stage or an ARG that describes it begins with its name.
void lint_description(const Instruction& instruction, const std::string& name, Lint* lint) {
    if (instruction.comments.empty() || name.empty()) return;
    const std::string& comment = instruction.comments.back();
    std::string first = comment.substr(0, comment.find_first_of(" \t"));
    if (to_lower(first) == to_lower(name) || first.starts_with("check=")) return;
    lint->warn("InvalidDefinitionDescription",
               "the comment above " + quote_json(name) + " does not begin with that name: \"# " + name +
                   " what it is\", or a blank line below it",
               instruction);
}

}  // namespace

const std::vector<std::string>& rule_names() {
    static const std::vector<std::string> names = {"StageNameCasing",         "FromAsCasing",
                                                   "NoEmptyContinuation",     "ConsistentInstructionCasing",
                                                   "DuplicateStageName",      "ReservedStageName",
                                                   "JSONArgsRecommended",     "MaintainerDeprecated",
                                                   "UndefinedArgInFrom",      "UndefinedVar",
                                                   "WorkdirRelativePath",     "SecretsUsedInArgOrEnv",
                                                   "LegacyKeyValueFormat",    "MultipleInstructionsDisallowed",
                                                   "RedundantTargetPlatform", "FromPlatformFlagConstDisallowed",
                                                   "InvalidDefaultArgInFrom", "InvalidBaseImagePlatform",
                                                   "CopyIgnoredFile",         "ExposeProtoCasing",
                                                   "ExposeInvalidFormat",     "InvalidDefinitionDescription"};
    return names;
}

bool Lint::is_skipped(std::string_view rule, const Instruction& at) const {
    const std::string name = to_lower(rule);
    auto covers = [&](const std::set<std::string>& rules) { return rules.contains("all") || rules.contains(name); };
    if (covers(settings_.skip)) return true;
    if (rule == "InvalidDefinitionDescription" && !covers(settings_.experimental)) return true;
    for (const std::string& comment : at.comments)
        if (comment.starts_with("check="))
            if (auto own = parse_check(std::string_view(comment).substr(6)); own && covers(own->skip)) return true;
    return false;
}

bool Lint::wants(std::string_view rule, const Instruction& at) const {
    return warnings_.size() < kMaxWarnings && !is_skipped(rule, at);
}

void Lint::warn(std::string_view rule, std::string message, const Instruction& at) {
    if (!wants(rule, at)) return;
    if (!seen_.insert(std::string(rule) + " " + std::to_string(at.lines.first) + " " + message).second) return;
    warnings_.push_back({std::string(rule), one_line(message), at.lines});
}

std::string perhaps(std::string_view word, const std::vector<std::string>& known) {
    // The comparison costs the product of the lengths.
    std::vector<std::string> likely;
    for (const std::string& name : known)
        if (name.size() <= 64 && likely.size() < 200) likely.push_back(name);
    std::string near = word.size() > 64 ? "" : nearest(word, likely);
    return near.empty() || near == word ? "" : ": perhaps " + quote_json(near) + " was meant";
}

void lint_text(const std::vector<Instruction>& instructions, Lint* lint) {
    lint_casing(instructions, lint);
    std::set<std::string> names;
    for (const Instruction& instruction : instructions) {
        if (instruction.empty_continuation)
            lint->warn("NoEmptyContinuation", "a blank line stands within the instruction " + instruction.name,
                       instruction);
        if (const auto* from = std::get_if<From>(&instruction.body)) {
            lint_stage(instruction, *from, &names, lint);
            lint_description(instruction, from->stage, lint);
        } else if (const auto* arg = std::get_if<Arg>(&instruction.body)) {
            lint_description(instruction, arg->pairs[0].key, lint);
        } else if (std::holds_alternative<Maintainer>(instruction.body)) {
            lint->warn("MaintainerDeprecated",
                       "MAINTAINER is deprecated: LABEL org.opencontainers.image.authors=.. says it", instruction);
        }
    }
}

bool names_secret(std::string_view name) {
    bool secret = false;
    for (const std::string lower = to_lower(name); std::string_view word : split(lower, '_')) {
        for (std::string_view open : {"public", "file", "version"})
            if (word == open) return false;
        for (std::string_view token :
             {"apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"})
            secret = secret || word == token;
    }
    return secret;
}

}  // namespace gantry::build::dockerfile
