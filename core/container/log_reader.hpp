// Reads a container's log directory, whichever of our log drivers wrote it ("local", "json-file"), also while it is
// being written and rotated. Damage (torn entries, blocks of zeros, truncation) costs the damaged bytes, never what
// comes after them.
#pragma once
#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/container/log_segment.hpp"
#include "core/monitor/log_format.hpp"

namespace gantry::container {

struct LogOptions {
    bool out = true, err = true;      // notices of lost bytes come with err
    std::int64_t since_ns = 0;        // 0: from the beginning
    std::int64_t until_ns = 0;        // 0: no end
    std::optional<std::size_t> tail;  // only the last lines (counted before since and until); none: all
    bool follow = false;              // goes on with what is written later, until ended() or stop()
    bool timestamps = false;          // each line begins with its time and a blank
    bool details = false;             // before its text stands what its log tells of the container, and a blank
};

struct LogRecord {
    monitor::LogStream stream = monitor::LogStream::out;
    std::int64_t time_ns = 0;  // when the line began
    std::string text;          // one line with its newline, or a piece of a long or unfinished one without
    bool continued = false;    // the piece before it was of the same line
    std::string details;
};

// One thread reads; ended() and stop() may come from any thread.
class LogReader {
public:
    // A directory without a log is an empty log. The log as it is now; with follow, also what comes later.
    static Result<std::unique_ptr<LogReader>> open(const std::string& directory, LogOptions options);

    // The next record; nullopt: that was all (or stop() was called). With follow it waits.
    Result<std::optional<LogRecord>> next();
    // The container has ended: next() gives what is there and then the end.
    void ended();
    // next() gives the end at once.
    void stop();

private:
    LogReader(std::string path, LogOptions options);
    Result<void> open_directory();
    void find_log();
    void begin();
    bool open_newer();
    void take(LogEntry entry);
    void finish_piece(LogRecord piece);
    void flush_unfinished();
    bool wait();

    struct Unfinished {
        std::string text;
        std::int64_t time_ns = 0;
        bool continued = false;
        std::string details;
    };

    std::string path_;
    UniqueFd directory_, inotify_, wake_;
    LogOptions options_;
    std::string name_;                                  // of the current file; "": none is there yet
    std::deque<std::unique_ptr<LogSegment>> segments_;  // oldest first; the first is being read
    std::deque<LogRecord> ready_;
    Unfinished unfinished_[2];
    std::size_t skip_lines_ = 0;
    bool rotated_ = false, over_ = false;
    std::atomic<bool> ended_{false}, stopped_{false};
};

}  // namespace gantry::container
