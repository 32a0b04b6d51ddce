// "os[/arch[/variant]]" as users write platforms.
#pragma once
#include <string>
#include <string_view>

#include <gantry/result.hpp>

namespace gantry::cli {

// The API's JSON of it: {"os", "architecture", "variant"}. GANTRY_INVALID: another form.
Result<std::string> platform_json(std::string_view text);

}  // namespace gantry::cli
