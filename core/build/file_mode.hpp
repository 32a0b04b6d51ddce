// The modes that COPY --chmod takes: octal ("0755"), or symbolic as chmod(1) has them ("u=rwX,go=rX").
#pragma once
#include <sys/types.h>

#include <string_view>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::build {

class FileMode {
public:
    // "" changes nothing. GANTRY_INVALID with what is wrong.
    static Result<FileMode> parse(std::string_view text);
    // The permissions (07777) of a file that had `mode`, type bits included.
    mode_t apply(mode_t mode) const;

private:
    struct Clause {
        mode_t who = 0;  // of 0700, 0070, 0007 with the set-id bits that belong to them
        char action = '=';
        mode_t bits = 0;          // rwx as 0777, set-id and sticky
        bool execute_if = false;  // X
        mode_t copy_from = 0;     // u, g or o: 0700, 0070, 0007
    };
    bool octal_ = false;
    mode_t value_ = 0;
    std::vector<Clause> clauses_;
};

}  // namespace gantry::build
