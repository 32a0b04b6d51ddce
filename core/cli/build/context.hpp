// What a build works on: its context and Dockerfile, found and opened on this side.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/cli/build/interrupt.hpp"

namespace gantry::cli {

// A directory that is gone, with what is in it, when the object goes; nobody else can look into it.
class TemporaryDirectory {
public:
    static Result<TemporaryDirectory> create();
    TemporaryDirectory() = default;
    TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    TemporaryDirectory& operator=(TemporaryDirectory&& other) noexcept {
        std::swap(path_, other.path_);
        return *this;
    }
    ~TemporaryDirectory();
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

struct ContextWish {
    std::string where;               // PATH, URL or "-"
    std::string file;                // -f; "" for the usual names
    std::vector<std::string> named;  // --build-context NAME=...
};

struct BuildContext {
    Json context;  // as the session's "build" has them
    Json contexts = Json::object();
    std::map<std::string, UniqueFd> roots;  // "context" and the names: what is walked here
    std::optional<std::string> dockerfile;  // none: the engine finds it in the context
    std::string dockerfile_name;
    std::vector<std::string> ignore_lines;
    TemporaryDirectory unpacked;  // of a context that came as an archive
};

// GANTRY_NOT_FOUND, GANTRY_INVALID, GANTRY_DENIED (a Dockerfile or .dockerignore whose link leads out of the context) in one line;
// GANTRY_CANCELLED: a signal came while standard input was read.
Result<BuildContext> prepare_context(const ContextWish& wish, Interrupt& interrupt);

// What standard input holds: an archive, unpacked below `root`, or else its text.
struct InputContext {
    bool archive = false;
    std::string text;
};
Result<InputContext> read_input_context(UniqueFd root, Interrupt& interrupt);
// All of standard input, as a Dockerfile.
Result<std::string> read_input_dockerfile(Interrupt& interrupt);

}  // namespace gantry::cli
