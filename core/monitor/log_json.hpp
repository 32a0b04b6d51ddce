// The "json-file" log: Docker's lines {"log":"..","stream":"stdout","attrs":{..},"time":".."}. What is not UTF-8 is U+FFFD in "log", and
// the line has its bytes besides: "bytes", in base64.
#pragma once
#include <memory>

#include "core/monitor/log_file.hpp"
#include "core/monitor/log_writer.hpp"

namespace gantry::monitor {

// `attributes`: what each line tells of the container, an object of texts; nothing is said of an empty one.
std::unique_ptr<LogWriter> make_json_log(LogFile file, const Json& attributes);

// "2026-01-02T03:04:05.12Z": Docker's time in logs, without trailing zeros.
std::string log_time(std::int64_t wall_ns);

}  // namespace gantry::monitor
