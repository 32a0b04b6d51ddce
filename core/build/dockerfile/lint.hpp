// The rules that a Dockerfile is held against, and what was found. The messages name what stands there and what would be better.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

#include "core/build/dockerfile/directives.hpp"
#include "core/build/dockerfile/instruction.hpp"
#include "core/build/graph.hpp"

namespace gantry::build::dockerfile {

// As they are written in "# check=skip=..".
const std::vector<std::string>& rule_names();

class Lint {
public:
    explicit Lint(CheckSettings settings) : settings_(std::move(settings)) {}

    // A rule may be skipped by the Dockerfile or by a comment "check=skip=.." straight above `at`. The same warning twice is
    // one. `wants` spares the making of a message that is not wanted.
    bool wants(std::string_view rule, const Instruction& at) const;
    void warn(std::string_view rule, std::string message, const Instruction& at);
    const std::vector<Warning>& warnings() const { return warnings_; }
    // "check=error=true" and there are warnings.
    bool is_error() const { return settings_.error && !warnings_.empty(); }

private:
    bool is_skipped(std::string_view rule, const Instruction& at) const;

    CheckSettings settings_;
    std::vector<Warning> warnings_;
    std::set<std::string> seen_;
};

// "", or ": perhaps "X" was meant" with the nearest of `known`.
std::string perhaps(std::string_view word, const std::vector<std::string>& known);
// The rules that look at the text alone: casing, names of stages, continuations, comments, MAINTAINER.
void lint_text(const std::vector<Instruction>& instructions, Lint* lint);
// Whether a variable's name says that its value is a secret.
bool names_secret(std::string_view name);

}  // namespace gantry::build::dockerfile
