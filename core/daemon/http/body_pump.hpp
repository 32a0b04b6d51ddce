// A request body on its way to a handler that reads it from a descriptor.
#pragma once
#include <string_view>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::http {

// Our end of a socket pair. The reader sees the end of the file only when finish() was called; a body that was cut
// off ends with ECONNRESET, so that half an archive is never taken for a whole one. Reactor thread only.
class BodyPump {
public:
    // Gives the pump; *reader is the handler's end: blocking, read-only.
    static Result<BodyPump> create(UniqueFd* reader);

    enum class State { all = 1, full, reader_gone };
    // Writes what fits; `data` is moved on by what was written.
    State write(std::string_view& data);
    void finish();
    // Ends the body as cut off; also what happens when the pump is destroyed unfinished.
    void abort() { fd_.reset(); }
    int fd() const { return fd_.get(); }

private:
    explicit BodyPump(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

}  // namespace gantry::http
