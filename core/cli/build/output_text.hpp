// A step's output as lines that are safe to show.
#pragma once
#include <deque>
#include <functional>
#include <string>
#include <string_view>

namespace gantry::cli {

// Escape sequences (colours, cursor, titles) are gone, other control characters stand as escapes.
std::string without_escapes(std::string_view text);
// Columns that UTF-8 text takes on a terminal.
std::size_t display_width(std::string_view text);
// Cut to so many columns, with an ellipsis where something was cut.
std::string fit_columns(std::string_view text, std::size_t columns);

// Makes lines of bytes as they come, and keeps the last ones. A carriage return begins the line anew, as a program's own progress
// bar does.
class OutputLines {
public:
    explicit OutputLines(std::size_t kept = 40) : kept_(kept) {}
    // Calls `each` for every line that is complete.
    void push(std::string_view bytes, const std::function<void(const std::string&)>& each);
    // No more comes: what is left counts as a line.
    void finish(const std::function<void(const std::string&)>& each);
    const std::deque<std::string>& last() const { return last_; }
    // The line that is being written.
    std::string open_line() const;

private:
    void add(std::string_view line, const std::function<void(const std::string&)>& each);

    std::size_t kept_;
    std::string open_;
    std::deque<std::string> last_;
};

}  // namespace gantry::cli
