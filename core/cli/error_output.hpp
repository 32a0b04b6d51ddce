// What went wrong, as the user asked to be told: a line of text, or with --json one JSON object.
#pragma once
#include <string>
#include <string_view>

#include <gantry/result.hpp>

namespace gantry::cli {

enum class ErrorForm { text = 1, json };
// For the whole program, before the first error.
void set_error_form(ErrorForm form);
ErrorForm error_form();

// Text: the daemon's words, which begin with "Error", stand as they are, all else behind "gantry: ". JSON:
// {"error":{"message":TEXT,"code":"not_found","status":404}}; "status" is that of the daemon's answer, null where the error is
// not an answer. Both with the line's end.
std::string error_line(const Error& error);
// "gantry: " before the daemon's words too.
std::string own_error_line(const Error& error);
void print_error(const Error& error);
// What was wrong with the command line.
void print_error(std::string_view text);

// Remembers which status an answer of the daemon had that became an error with this text.
void note_status(std::string_view text, int status);
// "not_found".
const char* name_of(Code code);

}  // namespace gantry::cli
