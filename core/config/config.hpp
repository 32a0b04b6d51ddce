// gantry.json: what the engine is told once. Every key has a default, so that no file and an empty one mean the same.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/config/hosts.hpp"
#include "core/config/registries.hpp"
#include "core/driver/mistakes.hpp"

namespace gantry::config {

// Which driver serves where nobody says another. The one place in core where drivers have names.
struct Defaults {
    std::string network = "bridge", volume = "local", layer = "overlayfs", runtime = "native";
    std::string host_network = "host", none_network = "none";
    bool operator==(const Defaults&) const = default;
};

struct Log {
    std::string driver = "json-file";  // Docker's: clients look at what it is called
    std::int64_t max_size = 20 << 20;  // bytes of one file
    int max_file = 5;
    bool operator==(const Log&) const = default;
};

// When unused images go by themselves; off unless one of the two is given.
struct ImageGc {
    std::int64_t max_age_ns = 0;                   // since an image was last used; 0: any age
    std::int64_t max_size = 0;                     // bytes of all images' layers together; 0: any size
    std::int64_t interval_ns = 3'600'000'000'000;  // between two rounds
    std::vector<std::string> keep;                 // patterns of names that stay
    bool enabled() const { return max_age_ns > 0 || max_size > 0; }
    bool operator==(const ImageGc&) const = default;
};

// What builds keep, and what they may be allowed.
struct Build {
    std::int64_t cache_max_size = 0;        // bytes of the results kept; 0: no limit
    std::int64_t cache_max_age = 0;         // seconds since the last use; 0: no limit
    std::vector<std::string> entitlements;  // that clients may ask for: network.host, security.insecure
    bool operator==(const Build&) const = default;
};

struct Config {
    std::string name;                      // "": engine_name() makes one
    std::vector<std::string> driver_path;  // directories beside those of the installation, absolute
    std::vector<driver::Wanted> drivers;
    Defaults defaults;
    std::string log_level = "info";
    Log log;
    Build build;
    std::vector<std::pair<std::string, int>> address_pools = {{"172.16.0.0/12", 20}, {"192.168.0.0/16", 24}};
    std::vector<std::string> dns;    // name servers for containers; empty: the host's
    std::string socket_group;        // "": root
    Listen listen;                   // TCP, besides the unix socket
    int shutdown_timeout = 15;       // seconds for containers when the whole engine ends
    int stop_timeout = 10;           // seconds between a stop's signal and SIGKILL
    std::int64_t pids_limit = 4096;  // of a container that names none; -1: no limit
    std::int64_t events_kept = 20'000;
    ImageGc image_gc;
    Registries registries;
};

// Where a file that is not there is a mistake: the one that a user named.
enum class Missing { is_empty = 1, is_error };

// The drivers that a configuration is held against: those of the installation, and how much is asked of each.
struct Installed {
    driver::Settings drivers;
    driver::Ask ask = driver::Ask::options;
};

// Every problem of the text of a file, one line each, in the order of the file: "FILE:LINE:COLUMN: KEY: what was found,
// what is allowed, what was perhaps meant". Without `installed`, drivers' names and options are not looked into. Fills
// *config with what is sound.
std::vector<std::string> check(std::string_view text, const std::string& file, Config* config,
                               const Installed* installed = nullptr);
// The same for the file itself; that it cannot be read is a problem too.
std::vector<std::string> load(const std::string& path, Missing missing, Config* config,
                              const Installed* installed = nullptr);
// The installation's drivers and those of the configuration.
driver::Settings driver_settings(const Config& config, driver::Settings installed);
// The prefix of everything this engine makes in the kernel: the configured name, "gantry" for the default root, and
// otherwise "gantry-" and 8 hex digits of the root's path.
std::string engine_name(const Config& config, const std::string& root);

}  // namespace gantry::config
