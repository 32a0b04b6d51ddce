// What a word of a command line is to be, by what stands around it.
#pragma once
#include <string>
#include <string_view>

#include "core/cli/command.hpp"
#include "core/cli/completion.hpp"

namespace gantry::cli {

// A word's kind, and where it is one of a few words, those.
struct Slot {
    WordKind kind = WordKind::nothing;
    std::string choices = {};  // "a|b"
};

// The value of the option of this name.
Slot slot_of_option(std::string_view name);
// The `at`-th argument of a command, from 0.
Slot slot_of_argument(const Command& command, std::size_t at);

}  // namespace gantry::cli
