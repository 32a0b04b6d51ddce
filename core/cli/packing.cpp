#include "core/cli/packing.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

namespace gantry::cli {

Result<std::unique_ptr<Packing>> Packing::begin(std::function<Result<void>(int to)> pack) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe");
    std::unique_ptr<Packing> packing(new Packing);
    packing->reading_.reset(ends[0]);
    packing->thread_ = std::thread([self = packing.get(), pack = std::move(pack), end = ends[1]] {
        sigset_t pipe;
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);  // who no longer reads is an error, not an end
        UniqueFd writing(end);
        self->done_ = pack(writing.get());
    });
    return packing;
}

Result<void> Packing::finish() {
    reading_.reset();
    if (thread_.joinable()) thread_.join();
    return done_;
}

}  // namespace gantry::cli
