#include "core/base/log.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"

namespace gantry::log {
namespace {
std::atomic<Level> threshold{Level::info};
const char* program = "gantry";

const char* name_of(Level level) {
    switch (level) {
    case Level::error: return "error";
    case Level::warn: return "warn";
    case Level::info: return "info";
    case Level::debug: return "debug";
    }
    return "info";
}
}  // namespace

void set_level(Level level) { threshold = level; }

bool set_level(std::string_view name) {
    for (Level level : {Level::error, Level::warn, Level::info, Level::debug})
        if (name == name_of(level)) {
            set_level(level);
            return true;
        }
    return false;
}

void set_program(const char* name) { program = name; }

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
    if (level > threshold.load(std::memory_order_relaxed)) return;
    std::string line = "{\"time\":\"" + rfc3339(wall_clock_ns()) + "\",\"level\":\"" + name_of(level) +
                       "\",\"program\":\"" + program + "\",\"message\":" + quote_json(message);
    for (const auto& [key, value] : fields) line += "," + quote_json(key) + ":" + quote_json(value);
    line += "}\n";
    // One write a record: records of several threads and processes never mix within a line.
    while (::write(STDERR_FILENO, line.data(), line.size()) < 0 && errno == EINTR) {
    }
}

}  // namespace gantry::log
