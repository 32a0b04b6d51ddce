// A program of the user's that this one starts: a credential helper, a decompressor.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::cli {

// Ended (SIGKILL) and waited for when the object goes.
class Child {
public:
    enum class Streams { both = 1, output_only };
    // Starts `arguments`[0], looked for in PATH. Its standard output is output(), its standard input input() (both: a
    // pipe that does not block) or `input` itself (output_only); its standard error is ours.
    // GANTRY_NOT_FOUND: no such program.
    static Result<Child> start(const std::vector<std::string>& arguments, Streams streams, int input = -1);
    Child() = default;
    ~Child() { kill(); }
    Child(Child&& other) noexcept { *this = std::move(other); }
    Child& operator=(Child&& other) noexcept;

    UniqueFd& input() { return input_; }
    UniqueFd& output() { return output_; }
    // Its exit code, 128 and its number for a signal. GANTRY_DEADLINE: it goes on after so many milliseconds (and is ended).
    Result<int> wait(int timeout_ms);
    void kill();

private:
    pid_t pid_ = 0;
    UniqueFd input_, output_;
};

}  // namespace gantry::cli
