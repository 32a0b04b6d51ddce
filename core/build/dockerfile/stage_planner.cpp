// What the instructions of a stage have in common.
#include "core/build/dockerfile/stage_planner.hpp"

#include "core/base/text.hpp"

namespace gantry::build::dockerfile {

std::string list_text(const std::vector<std::string>& words) {
    return Json(words).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::string> StagePlanner::word(const std::string& text, bool document) {
    ExpandOptions options;
    options.escape = document ? '\\' : escape();
    options.keep_quotes = document;
    GANTRY_TRY(Expanded expanded, expand(text, state_.variables.lookup(), &planner_.budget, options));
    lint_unset(expanded);
    return std::move(expanded.text);
}

// Triggers were written down without the directive of their Dockerfile.
char StagePlanner::escape() const { return instruction_->on_build ? '\\' : planner_.escape; }

Result<std::vector<std::string>> StagePlanner::words(const std::vector<std::string>& texts) {
    std::vector<std::string> expanded_words;
    for (const std::string& text : texts) {
        GANTRY_TRY(std::string expanded_word, word(text));
        expanded_words.push_back(std::move(expanded_word));
    }
    return expanded_words;
}

void StagePlanner::lint_unset(const Expanded& expanded) {
    for (const std::string& name : expanded.unmatched) {
        const auto& declared = state_.arguments;
        if (std::any_of(declared.begin(), declared.end(), [&](const KeyValue& a) { return a.key == name; })) continue;
        if (!planner_.lint.wants("UndefinedVar", *instruction_)) return;
        planner_.lint.warn("UndefinedVar",
                           "the variable $" + name + " is not defined" + perhaps(name, state_.variables.names()),
                           *instruction_);
    }
}

void StagePlanner::lint_only_one(const Instruction** before) {
    if (*before)
        planner_.lint.warn("MultipleInstructionsDisallowed",
                           "this " + instruction_->name + " has no effect: another one in line " +
                               std::to_string(instruction_->lines.first) + " of the same stage follows",
                           **before);
    *before = instruction_;
}

std::string StagePlanner::path_in_workdir(const std::string& path) const {
    return clean_path(path.starts_with('/') ? path : "/" + state_.image.text("WorkingDir") + "/" + path);
}

std::vector<std::string> StagePlanner::command_of(const CommandLine& command) const {
    if (!command.shell) return command.words;
    std::vector<std::string> words = state_.image.shell();
    words.push_back(command.words[0]);
    return words;
}

std::string StagePlanner::step_name(const std::string& text) {
    std::string total = std::to_string(total_), number = std::to_string(++number_), name = "[";
    if (planner_.options.multi_platform) name += state_.platform.text() + " ";
    if (planner_.stages().size() > 1) name += stage_.label(index_) + " ";
    if (number.size() < total.size()) name.append(total.size() - number.size(), ' ');
    name += number + "/" + total + "] ";
    if (instruction_->on_build) name += "ONBUILD ";
    return name + text;
}

Result<void> StagePlanner::add_layer(Operation operation, const std::string& name) {
    GANTRY_TRY(state_.result, planner_.add({std::move(operation), name, stage_.label(index_), instruction_->lines,
                                            ignore_cache_, state_.platform}));
    state_.layer_steps.push_back(*state_.result);
    return {};
}

Result<void> StagePlanner::add_history(const std::string& created_by, bool empty_layer) {
    std::size_t cost = 2 * created_by.size() + 300;
    if (!planner_.budget.spend(cost)) return budget_error();
    state_.weight += cost;
    state_.image.add_history(created_by, empty_layer);
    return {};
}

}  // namespace gantry::build::dockerfile
