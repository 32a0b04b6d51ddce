// Writes what a container says into its log directory.
#pragma once
#include <memory>
#include <string_view>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/monitor/log_format.hpp"

namespace gantry::monitor {

class LogWriter {
public:
    // `settings`: {"driver": "local"|"json-file"|"none", "path": directory, "max_size": bytes (0: no limit), "max_file": n}. The
    // directory (0750) and the file (0640) are made with the first output. An unknown driver is GANTRY_INVALID.
    static Result<std::unique_ptr<LogWriter>> create(const Json& settings);
    virtual ~LogWriter() = default;
    // Never fails and never waits for anything but the file system. What cannot be written (disk full) is counted, and
    // the count is written once there is space again.
    virtual void write(LogStream stream, std::string_view bytes) = 0;
    // The streams have ended, or nothing more came for a moment: writes what is held back.
    virtual void flush() = 0;
    // Whether bytes wait for the end of their line.
    virtual bool holds() const { return false; }
};

}  // namespace gantry::monitor
