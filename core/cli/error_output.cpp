#include "core/cli/error_output.hpp"

#include <gantry/json.hpp>

#include "core/cli/command.hpp"

namespace gantry::cli {
namespace {

ErrorForm chosen_form = ErrorForm::text;
// The last answer that was an error; what is printed is nearly always that one, perhaps with words before it.
struct Refusal {
    std::string text;
    int status = 0;
} last_refusal;

Json status_of(std::string_view text) {
    if (last_refusal.text.empty() || !text.ends_with(last_refusal.text)) return nullptr;
    return last_refusal.status;
}

std::string json_line(const Error& error) {
    const Json document{
        {"error", {{"message", error.text}, {"code", name_of(error.code)}, {"status", status_of(error.text)}}}};
    // In ASCII: nothing in it can move a terminal's cursor.
    return document.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace

void set_error_form(ErrorForm form) { chosen_form = form; }
ErrorForm error_form() { return chosen_form; }

std::string error_line(const Error& error) {
    if (chosen_form == ErrorForm::json) return json_line(error);
    return (error.text.starts_with("Error") ? "" : "gantry: ") + error.text + "\n";
}

std::string own_error_line(const Error& error) {
    return chosen_form == ErrorForm::json ? json_line(error) : "gantry: " + error.text + "\n";
}

void print_error(const Error& error) { print_err(error_line(error)); }
void print_error(std::string_view text) { print_error(fail(Code::invalid, std::string(text))); }

void note_status(std::string_view text, int status) { last_refusal = Refusal{std::string(text), status}; }

const char* name_of(Code code) {
    switch (code) {
    case Code::invalid: return "invalid";
    case Code::not_found: return "not_found";
    case Code::conflict: return "conflict";
    case Code::precondition: return "precondition";
    case Code::busy: return "busy";
    case Code::retry_later: return "retry_later";
    case Code::unsupported: return "unsupported";
    case Code::exhausted: return "exhausted";
    case Code::deadline: return "deadline";
    case Code::cancelled: return "cancelled";
    case Code::denied: return "denied";
    case Code::corrupt: return "corrupt";
    case Code::internal: break;
    }
    return "internal";
}

}  // namespace gantry::cli
