// A container as the engine keeps it: what was asked for, what it was given, and how it stands.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/container/health.hpp"

namespace gantry::container {

enum class Status { created = 1, running, paused, restarting, removing, exited, dead };
// Docker's words: "created", "running", ...
std::string_view name_of(Status status);
Result<Status> parse_status(std::string_view text);

// A file system at a path inside: a volume, a host directory, a tmpfs.
struct MountPoint {
    std::string type;         // "volume", "bind", "tmpfs", "image"
    std::string name;         // of the volume; image: what the user called it; "" otherwise
    std::string driver;       // of the volume
    std::string source;       // bind: the host's path; volume: where it lies, for people; image: its id
    std::string destination;  // absolute path inside
    std::string mode;         // the third part of -v, as given: "ro,z"
    std::string propagation;  // "rprivate", "rshared", ...
    bool writable = true;
    bool recursive = true;                   // bind: with the mounts below it
    bool create_source = false;              // bind by -v: a missing source is made, as Docker does
    bool copy = true;                        // volume: filled from the image when empty
    bool anonymous = false;                  // volume made for this container: goes with `rm -v`
    std::string subpath;                     // of a volume or an image
    std::vector<std::string> tmpfs_options;  // "size=64m", "mode=1777"
};
void to_json(Json& j, const MountPoint& m);

// Another container's name within this one, on the default network (--link).
struct Link {
    std::string target;  // its id
    std::string alias;
};

// How it stands. Written to the store before anyone is told.
struct State {
    Status status = Status::created;
    int pid = 0;  // as the host sees it; 0 unless running or paused
    int exit_code = 0;
    bool oom_killed = false;
    std::string error;  // why the last start failed, or why it was lost
    std::int64_t started_ns = 0, finished_ns = 0;
    int restart_count = 0;
    bool stopped_by_user = false;  // the restart policy leaves it alone
    std::string boot_id;           // the boot it was started in
    bool with_volumes = false;     // removing: its anonymous volumes go, too
};
void to_json(Json& j, const State& s);

struct Container {
    std::string id, name;
    std::int64_t created_ns = 0;
    std::string image;     // as the user named it
    std::string image_id;  // "sha256:.."
    Json image_manifest;   // OCI descriptor of the manifest that the image came with; null where there was none
    std::string platform = "linux";
    Json config;       // ContainerConfig of the API, merged with the image's
    Json host_config;  // HostConfig of the API, complete
    Json endpoints;    // NetworkingConfig.EndpointsConfig of the API
    std::string path;  // the program, and its arguments
    std::vector<std::string> args;
    std::vector<MountPoint> mounts;
    std::vector<Link> links;                   // those whose target is removed are none any more
    std::string runtime, layer_driver, layer;  // driver names; key of its own writable layer
    State state;
    Health health;  // "none" where there is no check

    Json to_body() const;  // for the store
    // GANTRY_CORRUPT for what to_body() cannot have written, down to the types inside the configuration.
    static Result<Container> from_body(const std::string& id, const std::string& name, const Json& body);

    // Shortcuts into config and host_config.
    bool terminal() const { return config.value("Tty", false); }
    bool open_stdin() const { return config.value("OpenStdin", false); }
    bool auto_remove() const { return host_config.value("AutoRemove", false); }
    std::string network_mode() const { return host_config.value("NetworkMode", "default"); }
    std::string stop_signal() const;
    bool active() const { return state.status == Status::running || state.status == Status::paused; }
};

// "SIGTERM", "TERM", "15" to its number; GANTRY_INVALID: "invalid signal: X".
Result<int> parse_signal(std::string_view text);
// The host's own name, as uname(2) has it.
std::string host_name();
// A name such as "brave_noether" that `taken` does not have.
std::string random_name(const std::function<bool(const std::string&)>& taken);

}  // namespace gantry::container
