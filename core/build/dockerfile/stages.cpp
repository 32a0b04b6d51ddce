#include "core/build/dockerfile/stages.hpp"

#include "core/base/text.hpp"
#include "core/image/references.hpp"

#include "core/build/dockerfile/limits.hpp"
#include "core/build/dockerfile/mount.hpp"
#include "core/build/dockerfile/platform.hpp"

namespace gantry::build::dockerfile {
namespace {

std::optional<std::size_t> number_of(std::string_view text) {
    if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string_view::npos)
        return std::nullopt;
    return static_cast<std::size_t>(*parse_int(text));
}

// The last stage of that name before `end`.
std::optional<std::size_t> stage_named(const std::vector<Stage>& stages, std::size_t end, std::string_view name) {
    const std::string lower = to_lower(name);
    for (std::size_t i = end; i-- > 0;)
        if (!stages[i].name.empty() && stages[i].name == lower) return i;
    return std::nullopt;
}

// A --build-context, by its name as written or by the complete reference of the image that it stands instead of.
const std::pair<const std::string, NamedContext>* context_named(const PlanOptions& options, const std::string& name) {
    auto found = options.contexts.find(name);
    if (found == options.contexts.end())
        if (auto complete = complete_reference(name)) found = options.contexts.find(*complete);
    return found == options.contexts.end() ? nullptr : &*found;
}

Result<Origin> origin_of_context(const std::pair<const std::string, NamedContext>& context) {
    if (context.second.image.empty()) return Origin{Origin::Kind::files, 0, context.first, ""};
    auto reference = complete_reference(context.second.image);
    if (!reference) return std::move(reference).error().context("build context " + quote_json(context.first));
    return Origin{Origin::Kind::image, 0, "", std::move(*reference)};
}

Result<Origin> origin_of_image(const PlanOptions& options, const std::string& name) {
    if (const auto* context = context_named(options, name)) return origin_of_context(*context);
    auto reference = complete_reference(name);
    if (!reference) return std::move(reference).error().context(quote_json(name.substr(0, 200)));
    return Origin{Origin::Kind::image, 0, "", std::move(*reference)};
}

void lint_undefined(const Expanded& word, const Arguments& arguments, const Instruction& at, Lint* lint) {
    for (const std::string& name : word.unmatched) {
        if (std::find(arguments.declared.begin(), arguments.declared.end(), name) != arguments.declared.end()) continue;
        if (!lint->wants("UndefinedArgInFrom", at)) return;
        std::vector<std::string> known = arguments.global.names();
        known.insert(known.end(), arguments.declared.begin(), arguments.declared.end());
        lint->warn("UndefinedArgInFrom",
                   "FROM uses $" + name + ", which no ARG before the first FROM declares" + perhaps(name, known), at);
    }
}

void lint_platform(const Stage& stage, const Expanded& word, const Platform& platform, const Arguments& arguments,
                   Lint* lint) {
    const std::string* target = arguments.global.find("TARGETPLATFORM");
    if (word.matched.size() == 1 && word.unmatched.empty() && word.matched.contains("TARGETPLATFORM") && target &&
        word.text == *target)
        lint->warn("RedundantTargetPlatform", "--platform=$TARGETPLATFORM says what is so without it", stage.from);
    if (word.matched.empty() && word.unmatched.empty() && stage.name.find(platform.os) == std::string::npos &&
        stage.name.find(platform.architecture) == std::string::npos)
        lint->warn("FromPlatformFlagConstDisallowed",
                   "--platform=" + word.text +
                       " is the same for every target: a variable such as $BUILDPLATFORM, or a stage's name with the "
                       "platform in it, says that it is meant so",
                   stage.from);
}

void lint_default_base(const From& from, const Arguments& arguments, const Instruction& at, char escape, Budget* budget,
                       Lint* lint) {
    if (from.base.find('$') == std::string::npos) return;
    auto word = expand(from.base, arguments.global_defaults.lookup(), budget, {.escape = escape});
    if (word && (word->text == "scratch" || image::parse_reference(word->text))) return;
    lint->warn(
        "InvalidDefaultArgInFrom",
        "with the defaults of its ARGs alone, " + quote_json(from.base.substr(0, 200)) + " is no name of an image", at);
}

}  // namespace

Result<std::string> complete_reference(std::string_view text) {
    GANTRY_TRY(image::Reference reference, image::parse_reference(text));
    reference.name = image::qualified_name(reference.name);
    return reference.text();
}

Result<std::vector<Stage>> split_stages(std::vector<Instruction> instructions, std::vector<Instruction>* globals,
                                        Lines* at) {
    std::vector<Stage> stages;
    for (Instruction& instruction : instructions) {
        *at = instruction.lines;
        if (const auto* from = std::get_if<From>(&instruction.body)) {
            if (stages.size() == kMaxStages)
                return fail(Code::exhausted, "there are more than " + std::to_string(kMaxStages) + " stages");
            Stage stage;
            stage.name = to_lower(from->stage);
            stage.from = std::move(instruction);
            stages.push_back(std::move(stage));
        } else if (!stages.empty()) {
            stages.back().instructions.push_back(std::move(instruction));
        } else if (std::holds_alternative<Arg>(instruction.body)) {
            globals->push_back(std::move(instruction));
        } else {
            return fail(Code::invalid, instruction.name + " stands before the first FROM, allowed there is ARG");
        }
    }
    *at = {};
    if (stages.empty()) return fail(Code::invalid, "the Dockerfile has no FROM");
    return stages;
}

Result<void> find_bases(std::vector<Stage>* stages, const Arguments& arguments, const PlanOptions& options, char escape,
                        Budget* budget, Lint* lint, Lines* at) {
    for (std::size_t i = 0; i < stages->size(); ++i) {
        Stage& stage = (*stages)[i];
        *at = stage.from.lines;
        const From& from = std::get<From>(stage.from.body);
        GANTRY_TRY(Expanded base, expand(from.base, arguments.global.lookup(), budget, {.escape = escape}));
        lint_undefined(base, arguments, stage.from, lint);
        lint_default_base(from, arguments, stage.from, escape, budget, lint);
        if (base.text.empty())
            return fail(Code::invalid,
                        "FROM " + quote_json(from.base.substr(0, 200)) + " is empty once its variables are put in");
        stage.base = base.text;
        stage.platform = options.platform;
        if (!from.platform.empty()) {
            GANTRY_TRY(Expanded word, expand(from.platform, arguments.global.lookup(), budget, {.escape = escape}));
            lint_undefined(word, arguments, stage.from, lint);
            auto platform = parse_platform(word.text, options.platform);
            if (!platform)
                return std::move(platform).error().context("FROM --platform=" + from.platform.substr(0, 200));
            stage.platform = *platform;
            lint_platform(stage, word, stage.platform, arguments, lint);
        }
        // A context of the stage's own name stands instead of the whole stage.
        if (auto instead = options.contexts.find(stage.name);
            !stage.name.empty() && instead != options.contexts.end()) {
            GANTRY_TRY(stage.origin, origin_of_context(*instead));
            stage.instructions.clear();
            stage.replaced = true;
            continue;
        }
        if (auto other = stage_named(*stages, i, stage.base)) {
            stage.origin = {Origin::Kind::stage, *other, "", ""};
        } else if (stage.base != "scratch") {
            auto origin = origin_of_image(options, stage.base);
            if (!origin) return std::move(origin).error().context("FROM");
            stage.origin = std::move(*origin);
        }
    }
    *at = {};
    return {};
}

Result<Origin> find_origin(const std::vector<Stage>& stages, std::size_t here, const std::string& name,
                           const PlanOptions& options) {
    if (name.find('$') != std::string::npos)
        return fail(Code::invalid, "from=" + name.substr(0, 200) +
                                       ": variables are not expanded here; a stage can have them: FROM " +
                                       name.substr(0, 200) + " AS name");
    if (auto number = number_of(name)) {
        if (*number < here) return Origin{Origin::Kind::stage, *number, "", ""};
        return fail(Code::invalid,
                    "from=" + name + ": " +
                        (*number == here           ? "a stage cannot copy from itself"
                         : *number < stages.size() ? "that stage comes later, allowed are those before this one"
                                                   : "there is no such stage") +
                        (here ? ": 0 to " + std::to_string(here - 1) : std::string()));
    }
    if (auto earlier = stage_named(stages, here, name)) return Origin{Origin::Kind::stage, *earlier, "", ""};
    if (const auto* context = context_named(options, name)) return origin_of_context(*context);
    if (stages[here].name == to_lower(name))
        return fail(Code::invalid, "from=" + name + ": a stage cannot copy from itself");
    if (auto later = stage_named(stages, stages.size(), name))
        return fail(Code::invalid, "from=" + name + ": that stage comes later, in line " +
                                       std::to_string(stages[*later].from.lines.first) +
                                       "; allowed are stages before this one");
    if (to_lower(name) == "scratch") return fail(Code::invalid, "from=" + name + ": there is nothing in it to copy");
    auto origin = origin_of_image(options, name);
    if (!origin) return std::move(origin).error().context("from");
    return origin;
}

Result<std::size_t> find_target(const std::vector<Stage>& stages, const std::string& target) {
    if (target.empty()) return stages.size() - 1;
    if (auto named = stage_named(stages, stages.size(), target)) return *named;
    if (auto number = number_of(target); number && *number < stages.size()) return *number;
    std::vector<std::string> names;
    for (const Stage& stage : stages)
        if (!stage.name.empty()) names.push_back(stage.name);
    std::string near = nearest(target.substr(0, 64), names);
    if (names.size() > 20) names.resize(20);
    return fail(Code::not_found, "there is no stage " + quote_json(target.substr(0, 200)) +
                                     (!near.empty()   ? " (did you mean " + near + "?)"
                                      : names.empty() ? ", stages have no name here"
                                                      : ", there are " + join(names, " ")));
}

std::vector<std::string> names_used(const Instruction& instruction) {
    std::vector<std::string> names;
    if (const auto* copy = std::get_if<Copy>(&instruction.body); copy && !copy->from.empty())
        names.push_back(copy->from);
    if (const auto* run = std::get_if<Run>(&instruction.body)) {
        for (const std::string& mount : run->mounts) {
            auto fields = mount_fields(mount);
            for (const std::string& field : fields ? *fields : std::vector<std::string>())
                if (std::size_t equals = field.find('=');
                    equals != std::string::npos && equals + 1 < field.size() &&
                    to_lower(trim(std::string_view(field).substr(0, equals))) == "from")
                    names.push_back(field.substr(equals + 1));
        }
    }
    return names;
}

}  // namespace gantry::build::dockerfile
