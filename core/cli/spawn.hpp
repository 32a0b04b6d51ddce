// How programs are started from this one.
#pragma once
#include <spawn.h>

#include <gantry/result.hpp>

namespace gantry::cli {

// Attributes and file actions of a posix_spawn(3), freed with the object. SIGPIPE, which is ignored here, has its
// default again in the program, and no signal is blocked.
class Spawn {
public:
    Spawn();
    ~Spawn();
    Spawn(const Spawn&) = delete;
    Spawn& operator=(const Spawn&) = delete;

    // The program gets a session of its own, without the terminal.
    Result<void> new_session();
    posix_spawn_file_actions_t* actions() { return &actions_; }
    const posix_spawnattr_t* attributes() const { return &attributes_; }

private:
    posix_spawn_file_actions_t actions_;
    posix_spawnattr_t attributes_;
};

}  // namespace gantry::cli
