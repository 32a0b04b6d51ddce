// Text of others on the user's terminal: names, labels, messages may hold escape sequences, line breaks and signs that
// turn the writing direction. They are shown, never obeyed.
#pragma once
#include <string>
#include <string_view>

namespace gantry::cli {

enum class Breaks { keep = 1, escape };
// Control characters as \x1b, C1 controls and bidirectional signs as \u202e, bytes that are not UTF-8 as \xff. Breaks::keep:
// line feeds and tabs stay. What is printable already stays as it is.
std::string printable(std::string_view text, Breaks breaks = Breaks::keep);

}  // namespace gantry::cli
