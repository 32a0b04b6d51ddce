// Docker's rules of `cp`: what the arguments mean, and where a source goes.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include <gantry/result.hpp>

namespace gantry::cli {

// "CONTAINER:PATH" or a local path ("" for the container): one that is absolute or begins with "." is always local.
struct CopyArgument {
    std::string container, path;
};
CopyArgument parse_copy_argument(std::string_view text);

// Directory and last component; "a/b/." gives {"a/b", "."}, "a/b/" gives {"a", "b"}, "/" gives {"/", "/"}.
std::pair<std::string, std::string> split_last(std::string_view path);
// Whether it says itself that it is a directory: a "/" or "/." at its end.
bool asserts_directory(std::string_view path);

struct CopyEnd {
    std::string path;
    bool exists = true, directory = false;
};
// In which directory the archive of `source` is unpacked, and under which name the source goes there; "": its own.
struct CopyPlan {
    std::string directory, name;
};
// GANTRY_INVALID in Docker's words: a directory onto a file, a file into a directory that is not there.
Result<CopyPlan> plan_copy(const CopyEnd& source, const CopyEnd& target);

// `member` of an archive whose source is called `from` there, as it is called when that becomes `to`. GANTRY_INVALID for
// one that is no part of that source: nobody asked for it.
Result<std::string> renamed_member(std::string_view member, std::string_view from, std::string_view to);

}  // namespace gantry::cli
