// Variables in the words of an instruction: "$v", "${v:-word}", "${v%pattern}" and the like, quotes and escapes.
#pragma once
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include <gantry/result.hpp>

namespace gantry::build::dockerfile {

// The value of a variable, null: it is not set. Lent until the expansion is done.
using Lookup = std::function<const std::string*(std::string_view name)>;

// What all expansions of one plan may cost together.
struct Budget {
    std::size_t bytes, pattern_steps;
    // False: it is used up.
    bool spend(std::size_t more);
};
Error budget_error();

struct ExpandOptions {
    char escape = '\\';
    // A here-document: quotes are text like any other.
    bool keep_quotes = false;
};
struct Expanded {
    std::string text;
    std::set<std::string> matched,
        unmatched;  // names that were and were not found, but for those with a word for that case
};
// GANTRY_INVALID: a quote or brace that is not closed, an unknown modifier, what "${v:?}" says; GANTRY_EXHAUSTED.
Result<Expanded> expand(std::string_view word, const Lookup& lookup, Budget* budget, const ExpandOptions& options = {});

}  // namespace gantry::build::dockerfile
