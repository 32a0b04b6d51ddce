// The user's terminal: raw mode, size, detach keys.
#pragma once
#include <termios.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::cli {

bool is_terminal(int fd);
// A terminal whose lines can be drawn anew: progress moves only there. TERM=dumb says that it cannot.
bool can_draw(int fd);
// Where can_draw(), and the environment's NO_COLOR does not forbid it (no-color.org: set and not empty).
bool wants_colour(int fd);
// Columns and rows of the terminal on standard output, error or input; nullopt: none.
struct TerminalSize {
    unsigned short columns = 0, rows = 0;
};
std::optional<TerminalSize> terminal_size();

// Asks on standard error and reads a line of the terminal on standard input that is not shown. A signal that ends programs
// (Ctrl-C) leaves the terminal as it was: GANTRY_CANCELLED.
Result<std::string> read_hidden(std::string_view question);

// Raw mode of standard input for the life of the object.
class RawMode {
public:
    RawMode() = default;
    ~RawMode() { restore(); }
    RawMode(const RawMode&) = delete;
    RawMode& operator=(const RawMode&) = delete;
    Result<void> enter();
    void restore();

private:
    std::optional<termios> before_;
};

// Keys that leave a container running: "ctrl-p,ctrl-q", "ctrl-@,x".
class DetachKeys {
public:
    // "" : ctrl-p,ctrl-q.
    static Result<DetachKeys> parse(std::string_view text);
    // What of `input` goes on to the container; detached() afterwards says whether the sequence was completed.
    std::string filter(std::string_view input);
    bool detached() const { return detached_; }

private:
    std::string sequence_;
    std::size_t matched_ = 0;
    bool detached_ = false;
};

}  // namespace gantry::cli
