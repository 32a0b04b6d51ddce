#include "core/build/dockerfile/dockerfile.hpp"

#include "core/base/text.hpp"

#include "core/build/dockerfile/limits.hpp"
#include "core/build/dockerfile/planner.hpp"
#include "core/build/dockerfile/words.hpp"

namespace gantry::build::dockerfile {
namespace {

std::string place_of(const std::string& file, const Lines& lines) {
    if (lines.first == 0) return file + ": ";
    std::string text = file + ":" + std::to_string(lines.first);
    if (lines.last > lines.first) text += "-" + std::to_string(lines.last);
    return text + ": ";
}

// How far a plan came: where it stands, and what the rules found until then.
struct Progress {
    Lines at;
    std::vector<Warning> warnings;
};

Result<Graph> plan_text(std::string_view text, const PlanOptions& options, const ImageResolver& resolver,
                        Progress* progress) {
    Lines& at = progress->at;
    GANTRY_TRY(Document document, read_document(text, &at));
    const char escape = document.directives.escape;
    CheckSettings check = std::move(document.directives.check);
    if (auto given = options.args.find("BUILDKIT_DOCKERFILE_CHECK");
        given != options.args.end() && !given->second.empty()) {
        GANTRY_TRY(check, parse_check(given->second));
    }
    std::vector<Instruction> instructions;
    for (const RawInstruction& raw : document.instructions) {
        at = raw.lines;
        GANTRY_TRY(Instruction instruction, parse_instruction(raw, escape));
        instructions.push_back(std::move(instruction));
    }
    at = {};
    document.instructions.clear();
    Lint lint(std::move(check));
    lint_text(instructions, &lint);
    Budget budget{kMaxPlan, kMaxPatternSteps};
    std::vector<Instruction> globals;
    auto planned = [&]() -> Result<Graph> {
        GANTRY_TRY(std::vector<Stage> stages, split_stages(std::move(instructions), &globals, &at));
        GANTRY_TRY(Arguments arguments, collect_arguments(globals, options, escape, &budget, &at));
        GANTRY_CHECK(find_bases(&stages, arguments, options, escape, &budget, &lint, &at));
        GANTRY_TRY(
            Graph graph,
            Planner(options, resolver, std::move(stages), std::move(arguments), escape, &budget, &lint, &at).plan());
        std::vector<Listed> listing;
        for (const Instruction& arg : globals) listing.push_back({arg.whole, arg.lines, true, std::nullopt, 0});
        graph.listing.insert(graph.listing.begin(), listing.begin(), listing.end());
        return graph;
    }();
    progress->warnings = lint.warnings();
    if (!planned || !lint.is_error()) return planned;
    const Warning& first = lint.warnings().front();
    at = first.lines;
    return fail(Code::invalid, "the check " + first.rule + " fails: " + first.message);
}

}  // namespace

Result<Graph> plan(std::string_view text, const PlanOptions& options, const ImageResolver& resolver,
                   Diagnosis* diagnosis) {
    Progress progress;
    auto failed = [&](Error error) -> Result<Graph> {
        if (diagnosis) *diagnosis = {progress.at, std::move(progress.warnings)};
        error.text = one_line(place_of(options.file_name, progress.at) + error.text);
        return error;
    };
    try {
        auto graph = plan_text(text, options, resolver, &progress);
        if (graph) return graph;
        return failed(std::move(graph).error());
    } catch (const std::exception& thrown) {
        return failed(fail(Code::internal, std::string("planning the build failed: ") + thrown.what()));
    }
}

}  // namespace gantry::build::dockerfile
