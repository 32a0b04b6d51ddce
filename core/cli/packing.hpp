// A stream that is made on a thread of its own and sent meanwhile.
#pragma once
#include <functional>
#include <memory>
#include <thread>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::cli {

class Packing {
public:
    // `pack` writes the stream to the descriptor that it is given.
    static Result<std::unique_ptr<Packing>> begin(std::function<Result<void>(int to)> pack);
    ~Packing() { (void)finish(); }
    Packing(const Packing&) = delete;
    Packing& operator=(const Packing&) = delete;
    // Where it can be read.
    int fd() const { return reading_.get(); }
    // Nothing is read any more; waits for the thread and gives how it ended.
    Result<void> finish();

private:
    Packing() = default;
    UniqueFd reading_;
    std::thread thread_;
    Result<void> done_;
};

}  // namespace gantry::cli
