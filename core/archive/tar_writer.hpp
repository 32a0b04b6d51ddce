// A tar stream (pax, only where ustar does not reach), written as it is made. One thread at a time.
#pragma once
#include <functional>
#include <memory>
#include <string_view>

#include <gantry/result.hpp>

#include "core/archive/member.hpp"

namespace gantry::archive {

// Takes the next bytes of a stream; its Error ends the writing and is what the writer's caller gets.
using Sink = std::function<Result<void>(std::string_view)>;
// A sink that writes to a descriptor, borrowed.
Sink sink_to(int fd);

class TarWriter {
public:
    // The same members give the same bytes. Times are written in whole seconds.
    static Result<std::unique_ptr<TarWriter>> create(Sink sink);
    ~TarWriter();

    // The head of a member; of a regular file without hard_link exactly `size` bytes of data() follow.
    Result<void> member(const Member& member);
    Result<void> data(std::string_view bytes);
    // What is left to read behind `fd`, as the data of the member: exactly `size` bytes. A file that has shrunk
    // meanwhile is filled up with zeros, one that has grown is cut.
    Result<void> data_from(int fd, std::int64_t size);
    // The end of the archive. Without it the stream is cut off.
    Result<void> finish();

private:
    struct Impl;
    explicit TarWriter(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::archive
