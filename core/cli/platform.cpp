#include "core/cli/platform.hpp"

#include <gantry/json.hpp>

#include "core/base/text.hpp"

namespace gantry::cli {

Result<std::string> platform_json(std::string_view text) {
    const auto parts = split(text, '/');
    Json platform = Json::object();
    constexpr const char* keys[] = {"os", "architecture", "variant"};
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (i >= 3 || parts[i].empty() ||
            parts[i].find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
                std::string_view::npos)
            return fail(Code::invalid, "invalid platform " + quote_json(text) + ": os[/arch[/variant]]");
        platform[keys[i]] = parts[i];
    }
    return platform.dump();
}

}  // namespace gantry::cli
