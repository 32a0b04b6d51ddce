// One file of a log directory, as a sequence of entries.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/monitor/log_format.hpp"

namespace gantry::container {

// Bytes of one stream. whole_lines: "json-file" wrote one entry per line; otherwise lines begin and end anywhere.
struct LogEntry {
    monitor::LogStream stream = monitor::LogStream::out;
    std::int64_t time_ns = 0;
    std::string_view bytes;  // valid until the next call
    bool whole_lines = false;
    std::string_view details;  // "name=value,..", as bytes
};

class LogSegment {
public:
    enum class Format { local, json };
    LogSegment(UniqueFd file, Format format);
    LogSegment(const LogSegment&) = delete;
    LogSegment& operator=(const LogSegment&) = delete;

    ino_t inode() const { return inode_; }
    std::int64_t modified_ns() const;
    // Nothing beyond the size that the file has now is read.
    void limit_to_size();
    // The next entry; nullopt: there is no whole one now. `last`: nothing more will be written, so a torn entry at the
    // end is given as far as it goes.
    std::optional<LogEntry> next(bool last);
    // Lines that end in the file, of the streams wanted, read from its beginning; next() is not disturbed. `partial`: an
    // unfinished last line counts too.
    std::size_t count_lines(bool out, bool err, bool partial) const;

private:
    bool fill();
    void restart_if_truncated();
    std::optional<LogEntry> next_local(bool last);
    std::optional<LogEntry> next_json(bool last);
    // The offset in buffer_ of the first sound header at or after `from`; npos: none.
    std::size_t find_header(std::size_t from) const;
    bool sound_header(std::size_t at, monitor::LogHeader& header) const;

    UniqueFd file_;
    Format format_;
    ino_t inode_ = 0;
    std::int64_t offset_ = 0;  // of the file, where buffer_ ends
    std::int64_t limit_ = -1;
    std::string buffer_, text_, details_;
    std::size_t at_ = 0;  // what of buffer_ is consumed
};

}  // namespace gantry::container
