// Which file a driver's name stands for, and how it is to be run.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/driver/registry.hpp"

namespace gantry::driver {

// A driver by its instance name: the configured one, or one that only a file names.
struct Located {
    Wanted wanted;
    Kind kind = Kind::network;
    std::string file;
    Isolation isolation = Isolation::in_process;  // never automatic
};

// What the directories of the path hold: KIND-NAME.so files in the order of the path, refused or not.
struct Candidate {
    std::string file, name;
    Kind kind = Kind::network;
};
std::vector<Candidate> candidates(const Settings& settings);

// The file for `name` of that kind: the first directory of the path that has one decides. Not found: GANTRY_NOT_FOUND with
// the names there are and the nearest.
Result<Located> locate(const Settings& settings, Kind kind, std::string_view name);

// The one an instance of that file gets. The drivers of the first directory of the path are the engine's own, built and
// installed with it; they run in this process unless the configuration says otherwise, all others in one of their own.
Isolation isolation_of(const Settings& settings, const Wanted& wanted, const std::string& file);

}  // namespace gantry::driver
