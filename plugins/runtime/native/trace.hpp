// Where the microseconds of a start go; costs nothing unless asked for (option "trace", or GANTRY_TRACE_START set).
#pragma once
#include <string>

namespace gantry::native {

class Trace {
public:
    explicit Trace(bool on);
    // Ends a step that began at the end of the one before.
    void step(const char* name);
    bool on() const { return on_; }
    // "parse 120\nclone 310\n...", microseconds.
    const std::string& text() const { return text_; }

private:
    bool on_;
    long last_ns_ = 0;
    std::string text_;
};

}  // namespace gantry::native
