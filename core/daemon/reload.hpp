// The configuration as gantryd reads it: at its start, and again at SIGHUP.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/config/config.hpp"

namespace gantry::daemon {

// Where the configuration comes from, and what the command line says over it.
struct ConfigSource {
    std::string file;  // absolute: gantryd leaves the directory it was started in
    config::Missing missing = config::Missing::is_empty;
    std::string log_level;     // "": the file's
    driver::Settings drivers;  // those of the installation
    config::Listen listen;     // hosts are added to the file's; a file of TLS that is named is taken instead
};

// Every problem, one line each; none: *config is what is to be in force. Drivers may be asked in processes of their own,
// so not on a reactor thread.
std::vector<std::string> read_config(const ConfigSource& source, driver::Ask ask, config::Config* config);

struct Reload {
    config::Config config;              // in force from now on: what can change is as wanted, all else as it was
    std::vector<std::string> applied;   // the changed keys that are in force: "log.max-size"
    std::vector<std::string> deferred;  // the changed keys that take a new start of gantryd
};
// What of `wanted` can be had while the engine runs that was started with `running`. Touches nothing.
Reload plan_reload(const config::Config& running, const config::Config& wanted);

// Reads the file anew. nullopt: it is bad; each of its problems is in the log, and the old configuration stays. A worker
// thread.
std::optional<Reload> reload_config(const ConfigSource& source, const config::Config& running);
// Logs each key that takes a new start, and then, as the last record of a reload, those in force.
void log_reload(const ConfigSource& source, const Reload& reload);
// Of the event "reload": name of the host, and each key that can change while the engine runs.
Json reload_attributes(const config::Config& config);

}  // namespace gantry::daemon
