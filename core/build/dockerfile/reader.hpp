// From the text of a Dockerfile to its instructions: directives, comments, continuations, here-documents.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

#include "core/build/dockerfile/directives.hpp"
#include "core/build/dockerfile/heredoc.hpp"
#include "core/build/graph.hpp"

namespace gantry::build::dockerfile {

struct RawInstruction {
    std::string name;     // "RUN", in upper case
    std::string written;  // as it stands there: "run"
    std::string rest;     // what follows it, continuations joined
    std::string whole;    // both, with the blanks between them
    std::vector<Heredoc> heredocs;
    std::vector<std::string> comments;  // the lines of comment straight above it, "#" and blanks gone
    bool empty_continuation = false;    // a blank line within it
    Lines lines;
};

struct Document {
    Directives directives;
    std::vector<RawInstruction> instructions;
};

// Valid UTF-8 without a NUL: what can stand in an image's configuration and be an argument.
bool is_text(std::string_view text);
// *at is where an error is. Names of instructions are checked, what follows them is not.
Result<Document> read_document(std::string_view text, Lines* at);
// The 18 names, and the error for any other.
const std::vector<std::string>& instruction_names();
Error unknown_instruction(std::string_view written);

}  // namespace gantry::build::dockerfile
