// Stages: which there are, what each begins from, and what a name after FROM, --from= or from= stands for.
#pragma once
#include <string>
#include <vector>

#include <gantry/result.hpp>

#include "core/build/dockerfile/arguments.hpp"
#include "core/build/dockerfile/dockerfile.hpp"
#include "core/build/dockerfile/instruction.hpp"
#include "core/build/dockerfile/lint.hpp"

namespace gantry::build::dockerfile {

// Where a tree comes from.
struct Origin {
    enum class Kind { scratch = 1, stage, files, image };
    Kind kind = Kind::scratch;
    std::size_t stage = 0;  // stage: its index
    std::string name;       // files: the context's name
    std::string reference;  // image: complete
};

struct Stage {
    Instruction from;
    std::vector<Instruction> instructions;
    std::string name;  // in lower case, ""
    std::string base;  // FROM's word, expanded
    Origin origin;
    Platform platform;  // of the base; that of another stage is its own
    bool needed = false;
    bool replaced = false;  // by a context of its name: it has no instructions
    std::string label(std::size_t index) const { return name.empty() ? "stage-" + std::to_string(index) : name; }
};

// With the registry, also where that is the default one (image::qualified_name).
Result<std::string> complete_reference(std::string_view text);

// `globals` are the ARGs before the first FROM. *at: where an error is.
Result<std::vector<Stage>> split_stages(std::vector<Instruction> instructions, std::vector<Instruction>* globals,
                                        Lines* at);
// Fills in base, origin and platform of each.
Result<void> find_bases(std::vector<Stage>* stages, const Arguments& arguments, const PlanOptions& options, char escape,
                        Budget* budget, Lint* lint, Lines* at);
// What "--from=name" in stage `here` stands for: an earlier stage by name or number, a context, an image.
Result<Origin> find_origin(const std::vector<Stage>& stages, std::size_t here, const std::string& name,
                           const PlanOptions& options);
// --target. GANTRY_NOT_FOUND lists the stages.
Result<std::size_t> find_target(const std::vector<Stage>& stages, const std::string& target);
// The names that instructions of a stage copy or mount from.
std::vector<std::string> names_used(const Instruction& instruction);

}  // namespace gantry::build::dockerfile
