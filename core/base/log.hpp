// The engine's own log: one JSON record a line on standard error, escaped, so that no name or label can
// forge a record. Thread-safe.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace gantry::log {

enum class Level { error = 1, warn = 2, info = 3, debug = 4 };

// One key and value that explains a message.
using Field = std::pair<std::string_view, std::string>;

// Messages above `level` are dropped from now on. Default: info. May be called at any time.
void set_level(Level level);
// "error", "warn", "info", "debug" to a level; false when it is none of these.
bool set_level(std::string_view name);
// The name of this process in each record ("gantryd"). Call before threads start; kept by pointer.
void set_program(const char* name);

void write(Level level, std::string_view message, std::initializer_list<Field> fields = {});
inline void error(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::error, m, f); }
inline void warn(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::warn, m, f); }
inline void info(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::info, m, f); }
inline void debug(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::debug, m, f); }

}  // namespace gantry::log
