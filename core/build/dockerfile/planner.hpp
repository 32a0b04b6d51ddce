// From stages to steps: finds what the target needs, asks for the images, and plans the stages in their order.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/build/dockerfile/image_config.hpp"
#include "core/build/dockerfile/stages.hpp"
#include "core/build/dockerignore.hpp"

namespace gantry::build::dockerfile {

// What a stage became.
struct Planned {
    std::optional<StepId> result;  // none: an empty tree
    ImageConfig image{Platform{}};
    Json base_config;
    std::string base_reference;
    std::vector<StepId> layer_steps;
    Variables variables;              // ENV and ARG
    std::vector<KeyValue> arguments;  // ARGs declared, each once
    bool workdir_set = false;
    Platform platform;
    std::size_t weight = 0;  // about what a copy of `image` costs
};

// What is common to all stages of a plan.
class Planner {
public:
    Planner(const PlanOptions& options, const ImageResolver& resolver, std::vector<Stage> stages, Arguments arguments,
            char escape, Budget* budget, Lint* lint, Lines* at);

    Result<Graph> plan();

    // For StagePlanner. -- The step whose result is `origin`'s tree, nothing for an empty stage. `paths` (cleaned) is what of it
    // is needed, where it is a context.
    Result<std::optional<StepId>> tree_of(const Origin& origin, const std::vector<std::string>& paths,
                                          const Platform& platform);
    Result<StepId> add(Step step);
    Result<const ResolvedImage*> resolve(const std::string& reference, const Platform& platform);
    StepId context(const std::string& name, const std::vector<std::string>& paths);
    StepId image(const ResolvedImage& resolved, const Platform& platform, const std::string& name,
                 const std::string& stage, Lines lines);
    const Planned& planned(std::size_t stage) const { return planned_[stage]; }
    Step& step(StepId id) { return graph_.steps[id]; }
    void warn_if_ignored(const std::string& source, const Instruction& at);

    const PlanOptions& options;
    const std::vector<Stage>& stages() const { return stages_; }
    const Arguments arguments;
    const char escape;
    Budget& budget;
    Lint& lint;
    Lines& at;

private:
    Result<void> find_needed(std::size_t target);
    Result<void> insert_triggers(std::size_t stage);
    Result<void> check_cache_filter() const;
    void fill_in_contexts();
    void warn_of_arguments();
    Result<void> finish(std::size_t target);
    void list_instructions(std::size_t target);

    struct ContextUse {
        StepId step;
        std::set<std::string> paths;
        bool whole = false;
    };
    const ImageResolver& resolver_;
    std::vector<Stage> stages_;
    std::vector<Planned> planned_;
    std::map<std::string, ResolvedImage> images_;  // by reference and platform
    std::map<std::string, StepId> image_steps_;
    std::map<std::string, ContextUse> contexts_;
    std::optional<IgnoreMatcher> ignored_;
    bool whole_context_ignored_ = false;
    std::size_t instructions_ = 0;
    Graph graph_;
};

}  // namespace gantry::build::dockerfile
