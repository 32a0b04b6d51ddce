// What a process writes to its stdout and stderr, handed on as it comes, by one thread; what nobody takes yet stays in
// the pipes, so that no memory is needed for it.
#pragma once
#include <functional>
#include <memory>
#include <string_view>
#include <thread>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::build {

class ProcessOutput {
public:
    using Take = std::function<void(int stream, std::string_view bytes)>;
    static Result<ProcessOutput> open(Take take);
    ProcessOutput(ProcessOutput&&) = default;
    ProcessOutput& operator=(ProcessOutput&&) = delete;
    ~ProcessOutput();
    // The end that the process gets, once: 1 or 2.
    UniqueFd take_end(int stream);
    // Waits until both are read to their ends. The ends must have been taken and closed everywhere.
    void finish();

private:
    ProcessOutput() = default;
    UniqueFd ends_[2];
    std::thread thread_;
};

}  // namespace gantry::build
