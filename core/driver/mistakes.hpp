// What a configuration says of drivers, held against the files there are. No driver's code runs in this process.
#pragma once
#include <string>
#include <vector>

#include "core/driver/registry.hpp"

namespace gantry::driver {

struct Mistake {
    std::string option;  // "": the driver itself
    std::string text;
};

// What of a configured driver is asked of its file.
enum class Ask {
    // Whether there is one, and, where it has options, whether it knows them. A file that is refused is no mistake of the
    // configuration's: the engine starts without it.
    options = 1,
    // The same, and whether the file would be loaded.
    everything,
};

// A name that stands for no driver of that kind: what was found, which there are, and the nearest. "": it is one.
std::string name_mistake(const Settings& settings, Kind kind, const std::string& name);
// `wanted` is one of settings.drivers. A file that is asked runs in a throw-away gantry-driver-host, which may take
// milliseconds: not for a reactor thread.
std::vector<Mistake> mistakes(const Settings& settings, const Wanted& wanted, Ask ask);

}  // namespace gantry::driver
