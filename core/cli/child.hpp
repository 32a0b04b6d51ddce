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
    enum class Words { ours = 1, kept };
    // Starts `arguments`[0], looked for in PATH. Its standard output is output(), its standard input input() (both: a
    // pipe that does not block) or `input` itself (output_only); its standard error is ours, or kept for words().
    // GANTRY_NOT_FOUND: no such program.
    static Result<Child> start(const std::vector<std::string>& arguments, Streams streams, int input = -1,
                               Words words = Words::ours);
    Child() = default;
    ~Child() { kill(); }
    Child(Child&& other) noexcept { *this = std::move(other); }
    Child& operator=(Child&& other) noexcept;

    UniqueFd& input() { return input_; }
    UniqueFd& output() { return output_; }
    // Its exit code, 128 and its number for a signal. GANTRY_DEADLINE: it goes on after so many milliseconds (and is ended).
    Result<int> wait(int timeout_ms);
    void kill();
    // What it has written to its standard error, where that is kept: the first line that is not empty, cut at 200 bytes.
    std::string words() const;

private:
    pid_t pid_ = 0;
    UniqueFd input_, output_, words_;
};

}  // namespace gantry::cli
