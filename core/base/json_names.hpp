// What a JSON parser does not tell of: names that stand twice in one object, of which two readers could take different
// ones, and depth.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace gantry {

struct JsonNames {
    // Of an object or array within `max_depth` others; the text is not read on from there.
    bool too_deep = false;
    // The first name that its object has already; the text is not read on from there.
    std::optional<std::string> twice;
};

// Reads `text` once, in time linear in its length, and builds nothing of it. What is not JSON ends the reading without a
// word: the parser tells of that. `names_differ_in_case`, where given, is asked of each object that is a member's value,
// with that member's name, and of all others with "": whether names there that differ only in case are two names (true)
// or one; without it they are two everywhere. Any thread; may be repeated.
JsonNames read_json_names(std::string_view text, int max_depth,
                          const std::function<bool(std::string_view holder)>& names_differ_in_case = {});

}  // namespace gantry
