// The parsers of single instructions, one for each form. `rest` is what follows the name.
#pragma once
#include "core/build/dockerfile/flags.hpp"
#include "core/build/dockerfile/instruction.hpp"

namespace gantry::build::dockerfile {

Result<From> parse_from(const RawInstruction& raw, std::string_view rest, char escape);
Result<Run> parse_run(const RawInstruction& raw, std::string_view rest, char escape);
Result<Copy> parse_copy(const RawInstruction& raw, std::string_view rest, char escape);
Result<Healthcheck> parse_healthcheck(std::string_view rest, char escape);
Result<Onbuild> parse_onbuild(const RawInstruction& raw);
// "name=value .."; `legacy` (null: not allowed) is set for "name value".
Result<std::vector<KeyValue>> parse_pairs(const std::string& name, std::string_view rest, char escape, bool* legacy);
// A JSON list of strings, or the line for the shell.
Result<CommandLine> parse_command(const std::string& name, std::string_view rest);
// No word holds a NUL, which JSON can write.
Result<void> check_words(const std::string& name, const std::vector<std::string>& words);

}  // namespace gantry::build::dockerfile
