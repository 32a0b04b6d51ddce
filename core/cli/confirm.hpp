// What the commands that remove many things at once ask and say.
#pragma once
#include <string_view>

#include <gantry/json.hpp>

namespace gantry::cli {

// Asks on the terminal; anything but y is no.
bool confirmed(std::string_view warning);

// Prints what a prune has deleted, under `heading`: the list of the engine's answer, of names or of image parts. Nothing
// where it is no list or empty.
void show_deleted(std::string_view heading, const Json& deleted);

}  // namespace gantry::cli
