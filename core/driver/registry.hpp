// All configured drivers of one process, found, verified, opened. An object passed in, no singleton.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/driver/driver.hpp"

namespace gantry::driver {

enum class Isolation { automatic = 0, in_process, process };

// One driver of the configuration ("drivers": {NAME: {...}}), or one found by a default's name.
struct Wanted {
    std::string name;  // instance name
    std::string use;   // which shared object: "oci"; "" is the name itself
    Json options = Json::object();
    Isolation isolation = Isolation::automatic;
    bool operator==(const Wanted&) const = default;
};

struct Settings {
    std::string engine;             // the engine's name, prefix of kernel objects
    std::vector<std::string> path;  // directories with KIND-NAME.so files, absolute
    std::string root, run;          // a driver gets root/drivers/NAME, run/drivers/NAME
    std::string host_program;       // gantry-driver-host, absolute
    std::vector<Wanted> drivers;    // from the configuration; built-in ones are added by name when asked for
    // True in gantry-launcher, which must stay single-threaded: every call runs on the calling thread, in this
    // process, without a deadline, and no thread is ever made.
    bool inline_calls = false;

    // Of drivers in a process of their own: what a cancelled call may still take before the process is killed, and the
    // pause before a process that ended is replaced, which doubles up to the second figure.
    int cancel_grace_ms = 5'000;
    int restart_pause_ms = 100, longest_restart_pause_ms = 10'000;
};

// Runs a program outside this process for a driver (gantry_host.spawn): argv[0] absolute; environment "KEY=value"; fds:
// stdin, stdout, stderr, -1 for /dev/null. Gives 0..255 or 128+signal; past the time its process group is killed:
// GANTRY_DEADLINE.
using Spawner =
    std::function<Result<int>(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                              const int fds[3], int timeout_ms)>;
// Something that a driver told by itself (gantry_host.event). Comes on any thread; must not block.
using EventHandler = std::function<void(const std::string& driver, const Json& event)>;

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
    // that was not opened before, but verifies and describes it. `only`: no file of another kind is looked at. Thread-safe.
    std::vector<Found> list(std::optional<Kind> only = std::nullopt);
    // The configured drivers that are of this kind: a file of it stands for their name, or for the one they use.
    // Thread-safe.
    std::vector<Wanted> configured(Kind kind) const;

    // Until set, drivers that want a program run get GANTRY_UNSUPPORTED, and events are dropped. Thread-safe.
    void set_spawner(Spawner spawner);
    void set_event_handler(EventHandler handler);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// `gantry driver check FILE`: every check of the loader on one file, then open and close in a throw-away
// gantry-driver-host. {"file", "ok": bool, "checks": [{"name", "ok", "message"}], "description"}.
Json check_file(const std::string& file, const Settings& settings);

}  // namespace gantry::driver
