// gantry.json: what the engine is told once. Every key has a default, so that no file and an empty one mean the same.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/driver/registry.hpp"

namespace gantry::config {

// Which driver serves where nobody says another. The one place in core where drivers have names.
struct Defaults {
    std::string network = "bridge", volume = "local", layer = "overlayfs", runtime = "native";
    std::string host_network = "host", none_network = "none";
};

struct Log {
    std::string driver = "local";
    std::int64_t max_size = 20 << 20;  // bytes of one file
    int max_file = 5;
};

struct Config {
    std::string name;                      // "": engine_name() makes one
    std::vector<std::string> driver_path;  // directories beside those of the installation, absolute
    std::vector<driver::Wanted> drivers;
    Defaults defaults;
    std::string log_level = "info";
    Log log;
    std::vector<std::pair<std::string, int>> address_pools = {{"172.16.0.0/12", 20}, {"192.168.0.0/16", 24}};
    std::vector<std::string> dns;    // name servers for containers; empty: the host's
    std::string socket_group;        // "": root
    int shutdown_timeout = 15;       // seconds for containers when the whole engine ends
    int stop_timeout = 10;           // seconds between a stop's signal and SIGKILL
    std::int64_t pids_limit = 4096;  // of a container that names none; -1: no limit
    std::int64_t events_kept = 10'000;
};

// Where a file that is not there is a mistake: the one that a user named.
enum class Missing { is_empty = 1, is_error };

// Reads and checks `path`. The error is its first problem, and says how many more there are.
Result<Config> load(const std::string& path, Missing missing = Missing::is_empty);
// Every problem of the text of a file, one line each: "FILE:LINE:COLUMN: KEY: what was found, what is allowed". Fills
// *config with what is sound.
std::vector<std::string> check(std::string_view text, const std::string& file, Config* config);
// The prefix of everything this engine makes in the kernel: the configured name, "gantry" for the default root, and
// otherwise "gantry-" and 8 hex digits of the root's path.
std::string engine_name(const Config& config, const std::string& root);

}  // namespace gantry::config
