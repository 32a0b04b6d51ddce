#include "core/build/process_output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <vector>

namespace gantry::build {

Result<ProcessOutput> ProcessOutput::open(Take take) {
    ProcessOutput output;
    UniqueFd read_ends[2];
    for (int i = 0; i < 2; ++i) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe");
        read_ends[i].reset(ends[0]);
        output.ends_[i].reset(ends[1]);
    }
    output.thread_ =
        std::thread([take = std::move(take), out = std::move(read_ends[0]), error = std::move(read_ends[1])]() mutable {
            std::vector<char> buffer(64u << 10);
            pollfd fds[2] = {{out.get(), POLLIN, 0}, {error.get(), POLLIN, 0}};
            while (fds[0].fd >= 0 || fds[1].fd >= 0) {
                if (::poll(fds, 2, -1) < 0 && errno != EINTR) return;
                for (int i = 0; i < 2; ++i) {
                    if (fds[i].fd < 0 || fds[i].revents == 0) continue;
                    const ssize_t n = ::read(fds[i].fd, buffer.data(), buffer.size());
                    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
                    if (n <= 0)
                        fds[i].fd = -1;
                    else
                        take(i + 1, {buffer.data(), static_cast<std::size_t>(n)});
                }
            }
        });
    return output;
}

ProcessOutput::~ProcessOutput() { finish(); }

UniqueFd ProcessOutput::take_end(int stream) { return std::move(ends_[stream - 1]); }

void ProcessOutput::finish() {
    for (UniqueFd& end : ends_) end.reset();
    if (thread_.joinable()) thread_.join();
}

}  // namespace gantry::build
