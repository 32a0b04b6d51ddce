// HTTP's words for status codes. The table from gantry::Code is status_of() in http.hpp.
#pragma once
#include <string_view>

namespace gantry::http {

std::string_view reason_of(int status);

}  // namespace gantry::http
