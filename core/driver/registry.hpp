// All configured drivers of one process, found, verified, opened. An object passed in, no singleton.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/driver/driver.hpp"

namespace gantry::driver {

enum class Isolation { automatic = 0, in_process, process };

// One driver of the configuration ("drivers": {NAME: {...}}), or one found by a default's name.
struct Wanted {
    std::string name;          // instance name
    std::string use;           // which shared object: "oci"; "" is the name itself
    Json options = Json::object();
    Isolation isolation = Isolation::automatic;
};

struct Settings {
    std::string engine;                  // the engine's name, prefix of kernel objects
    std::vector<std::string> path;       // directories with KIND-NAME.so files, absolute
    std::string root, run;               // a driver gets root/drivers/NAME, run/drivers/NAME
    std::string host_program;            // gantry-driver-host, absolute
    std::vector<Wanted> drivers;         // from the configuration; built-in ones are added by name when asked for
    // True in gantry-launcher, which must stay single-threaded: every call runs on the calling thread, in this
    // process, without a deadline, and no thread is ever made.
    bool inline_calls = false;
};

// What became of one file or one configured driver: for `gantry driver ls`.
struct Found {
    std::string name, file, kind, version, isolation, summary;
    bool loaded = false;
    std::string problem;  // why it was refused; "" when it was not
    Json description;
};

class Registry {
public:
    explicit Registry(Settings settings);
    ~Registry();

    // The driver by its name, opened at its first use; or why not: not found (text lists what there is and the
    // nearest), refused (file, found, needed), another kind. Thread-safe.
    Result<std::shared_ptr<Driver>> get(Kind kind, std::string_view name);

    // Every driver file in the path and every configured name, opened ones and refused ones. Does not open anything
    // that was not opened before, but verifies and describes it. Thread-safe.
    std::vector<Found> list();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// `gantry driver check FILE`: every check of the loader on one file, then open and close in a throw-away
// gantry-driver-host. {"file", "ok": bool, "checks": [{"name", "ok", "message"}], "description"}.
Json check_file(const std::string& file, const Settings& settings);

}  // namespace gantry::driver
