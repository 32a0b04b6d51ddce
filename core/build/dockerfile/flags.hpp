// The "--name=value" flags of an instruction.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

#include "core/build/dockerfile/words.hpp"

namespace gantry::build::dockerfile {

struct FlagRule {
    enum class Kind { text = 1, boolean, list };
    std::string name;
    Kind kind = Kind::text;
};

class Flags {
public:
    // Takes the flags off *rest and holds them against `rules`.
    static Result<Flags> take(std::string_view instruction, std::string_view* rest, char escape,
                              std::span<const FlagRule> rules);

    bool has(std::string_view name) const;
    std::string text(std::string_view name) const;  // "": absent
    bool boolean(std::string_view name) const;      // false: absent
    std::vector<std::string> list(std::string_view name) const;

private:
    std::vector<Flag> flags_;
};

}  // namespace gantry::build::dockerfile
