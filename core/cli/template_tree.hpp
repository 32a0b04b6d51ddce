// The parsed form of a template (internal to template_*.cpp).
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/cli/template.hpp"

namespace gantry::cli {

struct Pipeline;

// One word of a command: a literal, a path from ., $ or a variable, a function name, or a pipeline in parentheses.
struct Operand {
    enum class Kind { literal = 1, path, function, group };
    Kind kind = Kind::literal;
    Json literal;
    std::string variable;             // "" : the dot; "$" : the root; "$x"
    std::vector<std::string> fields;  // of a path, or behind a group
    std::string function;
    std::shared_ptr<Pipeline> group;
};

struct Pipeline {
    std::vector<std::string> declares;  // "$x" or "$i", "$x"
    bool assigns = false;               // = and not :=
    std::vector<std::vector<Operand>> commands;
};

struct Template::Node {
    enum class Kind { list = 1, text, print, branch, loop, scope };
    Kind kind = Kind::list;
    std::string text;
    Pipeline pipeline;
    std::vector<std::unique_ptr<Node>> body, otherwise;
};

Result<std::unique_ptr<Template::Node>> parse_template(std::string_view text);

}  // namespace gantry::cli
