#include "core/build/dockerfile/planner.hpp"

#include "core/base/text.hpp"

#include "core/build/dockerfile/limits.hpp"
#include "core/build/dockerfile/platform.hpp"
#include "core/build/dockerfile/stage_planner.hpp"
#include "core/build/dockerfile/words.hpp"

namespace gantry::build::dockerfile {

Planner::Planner(const PlanOptions& given_options, const ImageResolver& resolver, std::vector<Stage> stages,
                 Arguments given_arguments, char escape_character, Budget* given_budget, Lint* given_lint, Lines* where)
    : options(given_options),
      arguments(std::move(given_arguments)),
      escape(escape_character),
      budget(*given_budget),
      lint(*given_lint),
      at(*where),
      resolver_(resolver),
      stages_(std::move(stages)),
      planned_(stages_.size()) {}

Result<Graph> Planner::plan() {
    GANTRY_TRY(std::size_t target, find_target(stages_, options.target));
    GANTRY_CHECK(check_cache_filter());
    for (const auto& [name, value] : options.labels)
        if (name.empty() || !is_text(name) || !is_text(value))
            return fail(Code::invalid,
                        "label " + quote_json(name.substr(0, 100)) + ": allowed is a name and a value of UTF-8 text");
    auto ignored = IgnoreMatcher::parse(options.ignore_lines);
    if (!ignored) return std::move(ignored).error().context(".dockerignore");
    ignored_ = std::move(*ignored);
    // What a "!" brings back cannot be told without the files.
    for (const std::string& line : options.ignore_lines) {
        if (line.starts_with('!')) ignored_.reset();
        if (line == "*" || line == "**" || line == "**/*") whole_context_ignored_ = true;
    }
    GANTRY_CHECK(find_needed(target));
    for (std::size_t i = 0; i < stages_.size(); ++i) {
        if (!stages_[i].needed) continue;
        at = stages_[i].from.lines;
        GANTRY_CHECK(StagePlanner(this, i, &planned_[i]).plan());
    }
    at = {};
    fill_in_contexts();
    GANTRY_CHECK(finish(target));
    list_instructions(target);
    graph_.warnings = lint.warnings();
    warn_of_arguments();
    return std::move(graph_);
}

// Stages only use those before them, so one pass from the target down finds all, with what triggers of base images use too.
Result<void> Planner::find_needed(std::size_t target) {
    stages_[target].needed = true;
    for (std::size_t i = stages_.size(); i-- > 0;) {
        Stage& stage = stages_[i];
        stage.needed = stage.needed || options.all_stages;
        if (!stage.needed) continue;
        at = stage.from.lines;
        if (stage.origin.kind == Origin::Kind::stage) stages_[stage.origin.stage].needed = true;
        GANTRY_CHECK(insert_triggers(i));
        for (const Instruction& instruction : stage.instructions) {
            at = instruction.lines;
            for (const std::string& name : names_used(instruction)) {
                GANTRY_TRY(Origin origin, find_origin(stages_, i, name, options));
                if (origin.kind == Origin::Kind::stage) stages_[origin.stage].needed = true;
            }
        }
    }
    return {};
}

Result<void> Planner::insert_triggers(std::size_t index) {
    Stage& stage = stages_[index];
    std::vector<std::string> triggers;
    if (stage.replaced) return {};
    if (stage.origin.kind == Origin::Kind::image) {
        GANTRY_TRY(const ResolvedImage* resolved, resolve(stage.origin.reference, stage.platform));
        auto image = ImageConfig::of_base(resolved->config);
        if (!image) return std::move(image).error().context("FROM " + stage.base);
        triggers = image->triggers();
    } else if (stage.origin.kind == Origin::Kind::stage) {
        for (const Instruction& instruction : stages_[stage.origin.stage].instructions)
            if (const auto* onbuild = std::get_if<Onbuild>(&instruction.body)) triggers.push_back(onbuild->trigger);
    }
    std::vector<Instruction> instructions;
    for (const std::string& trigger : triggers) {
        auto instruction = parse_trigger(trigger);
        if (!instruction) return std::move(instruction).error().context("a trigger of " + stage.base);
        instruction->lines = stage.from.lines;
        instructions.push_back(std::move(*instruction));
    }
    instructions_ += instructions.size() + stage.instructions.size();
    if (instructions_ > kMaxInstructions)
        return fail(Code::exhausted, "there are more than " + std::to_string(kMaxInstructions) +
                                         " instructions with the triggers of base images");
    stage.instructions.insert(stage.instructions.begin(), std::make_move_iterator(instructions.begin()),
                              std::make_move_iterator(instructions.end()));
    return {};
}

Result<void> Planner::check_cache_filter() const {
    for (const std::string& name : options.no_cache_filter)
        if (auto stage = find_target(stages_, name); !stage) return std::move(stage).error().context("no-cache-filter");
    return {};
}

Result<const ResolvedImage*> Planner::resolve(const std::string& reference, const Platform& platform) {
    const std::string key = reference + " " + platform.text();
    if (auto known = images_.find(key); known != images_.end()) return &known->second;
    auto resolved = resolver_(reference, platform);
    if (!resolved) {
        Error error = std::move(resolved).error();
        std::vector<std::string> names;
        for (const Stage& stage : stages_)
            if (!stage.name.empty()) names.push_back(stage.name);
        std::size_t slash = reference.rfind('/'), colon = reference.rfind(':');
        if (error.code == Code::not_found && colon != std::string::npos && colon > slash)
            error.text += perhaps(reference.substr(slash + 1, colon - slash - 1), names);
        return std::move(error).context(reference);
    }
    return &images_.emplace(key, std::move(*resolved)).first->second;
}

Result<StepId> Planner::add(Step step) {
    if (!budget.spend(step.name.size() + 200)) return budget_error();
    step.name = one_line(step.name);
    graph_.steps.push_back(std::move(step));
    return graph_.steps.size() - 1;
}

StepId Planner::image(const ResolvedImage& resolved, const Platform& platform, const std::string& name,
                      const std::string& stage, Lines lines) {
    auto [known, added] = image_steps_.try_emplace(resolved.reference + " " + platform.text(), graph_.steps.size());
    if (added)
        graph_.steps.push_back(
            {ImageSource{resolved.reference, resolved.digest, platform}, name, stage, lines, false, platform});
    return known->second;
}

StepId Planner::context(const std::string& name, const std::vector<std::string>& paths) {
    auto [use, added] = contexts_.try_emplace(name, ContextUse{graph_.steps.size(), {}, false});
    if (added) {
        std::string text =
            name == "context" ? "[internal] load build context" : "[context " + name + "] load from client";
        graph_.steps.push_back({ContextSource{name, {}, {}}, text, "", at, false, options.build_platform});
    }
    for (const std::string& path : paths) {
        if (path.empty()) use->second.whole = true;
        use->second.paths.insert(path);
    }
    return use->second.step;
}

// No rule of the Dockerfile's, so that no check is failed by it; but who gives an argument wants it to do something.
void Planner::warn_of_arguments() {
    static const std::set<std::string, std::less<>> meant = {"BUILDKIT_SYNTAX", "BUILDKIT_DOCKERFILE_CHECK",
                                                             "BUILDKIT_CACHE_MOUNT_NS", "SOURCE_DATE_EPOCH"};
    std::vector<std::string> declared = arguments.declared;
    for (const Stage& stage : stages_)
        for (const Instruction& instruction : stage.instructions)
            if (const auto* arg = std::get_if<Arg>(&instruction.body))
                for (const KeyValue& pair : arg->pairs) declared.push_back(pair.key);
    const std::set<std::string> names(declared.begin(), declared.end());
    for (const auto& [name, value] : options.args) {
        const std::string lower = to_lower(name);
        if (names.contains(name) || meant.contains(name) || lower.ends_with("_proxy") ||
            arguments.global_defaults.find(name))
            continue;
        if (graph_.warnings.size() >= kMaxWarnings) return;
        graph_.warnings.push_back({"BuildArgument",
                                   name.starts_with("BUILDKIT_")
                                       ? "the build argument " + name + " has no effect here"
                                       : "no ARG declares the build argument " + name + perhaps(name, declared),
                                   {}});
    }
}

void Planner::fill_in_contexts() {
    for (const auto& [name, use] : contexts_) {
        auto& source = std::get<ContextSource>(graph_.steps[use.step].operation);
        if (!use.whole) source.paths.assign(use.paths.begin(), use.paths.end());
        if (name == "context") source.exclude = options.ignore_lines;
    }
}

Result<std::optional<StepId>> Planner::tree_of(const Origin& origin, const std::vector<std::string>& paths,
                                               const Platform& platform) {
    switch (origin.kind) {
    case Origin::Kind::scratch: return std::optional<StepId>();
    case Origin::Kind::stage: return planned_[origin.stage].result;
    case Origin::Kind::files: return std::optional<StepId>(context(origin.name, paths));
    case Origin::Kind::image: break;
    }
    GANTRY_TRY(const ResolvedImage* resolved, resolve(origin.reference, platform));
    return std::optional<StepId>(image(*resolved, platform, "FROM " + resolved->reference, "", at));
}

void Planner::warn_if_ignored(const std::string& source, const Instruction& instruction) {
    if (!ignored_ || ignored_->empty()) return;
    if (source.empty() ? whole_context_ignored_ : ignored_->ignores(source))
        lint.warn(
            "CopyIgnoredFile",
            instruction.name + " of " + quote_json(source.empty() ? "." : source) + ", which .dockerignore leaves out",
            instruction);
}

void Planner::list_instructions(std::size_t target) {
    for (std::size_t i = 0; i <= target; ++i) {
        const Stage& stage = stages_[i];
        Listed from{stage.from.whole, stage.from.lines, stage.needed, std::nullopt, 0};
        if (stage.origin.kind == Origin::Kind::scratch) from.base = "";
        if (stage.origin.kind == Origin::Kind::image)
            if (auto known = images_.find(stage.origin.reference + " " + stage.platform.text()); known != images_.end())
                from.base = known->second.digest;
        std::vector<Listed> listed;
        for (const Instruction& instruction : stage.instructions)
            if (instruction.on_build)
                ++from.triggers;
            else
                listed.push_back({instruction.whole, instruction.lines, stage.needed, std::nullopt, 0});
        graph_.listing.push_back(std::move(from));
        graph_.listing.insert(graph_.listing.end(), std::make_move_iterator(listed.begin()),
                              std::make_move_iterator(listed.end()));
    }
}

Result<void> Planner::finish(std::size_t target) {
    Planned& state = planned_[target];
    for (const auto& [name, value] : options.labels) state.image.set_label(name, value);
    // A cross build ends in the platform that it is for, whatever its last stage ran on. An image of another platform than
    // asked for stays what it is.
    Platform found = state.image.platform();
    if (found.architecture.empty() || same_platform(found, stages_[target].platform))
        state.image.set_platform(options.platform);
    graph_.target.result = state.result;
    graph_.target.config = state.image.document();
    graph_.target.layer_steps = state.layer_steps;
    graph_.target.base_config = state.base_config;
    graph_.target.base_reference = state.base_reference;
    graph_.target.platform = options.platform;
    return {};
}

}  // namespace gantry::build::dockerfile
