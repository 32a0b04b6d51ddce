// Parser directives: the comments at the very top of a Dockerfile that say how it is read.
#pragma once
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::build::dockerfile {

// "skip=A,B;error=true;experimental=C": of "# check=" and of the argument BUILDKIT_DOCKERFILE_CHECK.
struct CheckSettings {
    std::set<std::string> skip, experimental;  // names of rules in lower case; "all": every one
    bool error = false;                        // a warning is an error
};
Result<CheckSettings> parse_check(std::string_view text);

struct Directives {
    char escape = '\\';
    CheckSettings check;
};
// Takes those of the first lines. *failed_line is the number, from 1, of a line with an error.
Result<Directives> parse_directives(const std::vector<std::string_view>& lines, int* failed_line);
// The image of "# syntax=" or of the argument BUILDKIT_SYNTAX: docker/dockerfile in any version is what is built in, any other
// GANTRY_UNSUPPORTED.
Result<void> check_syntax(std::string_view front_end);

}  // namespace gantry::build::dockerfile
