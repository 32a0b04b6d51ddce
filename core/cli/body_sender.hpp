// Sends what follows a request's head, while the answer may come already.
#pragma once
#include <cstdint>
#include <functional>
#include <string_view>

#include <gantry/result.hpp>

namespace gantry::cli {

class BodySender {
public:
    // `fd`: the connection, blocking. `take_answer` is called when the daemon has sent something; false: it wants no
    // more. `progress` may be empty.
    BodySender(int fd, std::function<Result<bool>()> take_answer,
               const std::function<void(std::int64_t sent)>& progress)
        : fd_(fd), take_answer_(std::move(take_answer)), progress_(progress) {}

    // All of `bytes`; false: the daemon wants no more.
    Result<bool> send(std::string_view bytes);
    // `size` bytes from where the file `source` stands. A daemon that wants no more ends it without an error.
    Result<void> send_file(int source, std::int64_t size);
    // What can be read from `source`, in chunks, with the last one. The same.
    Result<void> send_chunks(int source);

private:
    Result<bool> ready();

    int fd_;
    std::function<Result<bool>()> take_answer_;
    const std::function<void(std::int64_t sent)>& progress_;
};

}  // namespace gantry::cli
