// Where an engine keeps things, and where its programs and drivers are: the same from a build tree as from an
// installation.
#pragma once
#include <string>
#include <vector>

#include <gantry/result.hpp>

#include "core/driver/registry.hpp"

namespace gantry::daemon {

struct Paths {
    std::string root = "/var/lib/gantry";            // what survives a reboot
    std::string run = "/run/gantry";                 // what does not
    std::string socket = "/run/gantry/gantry.sock";  // of the Engine API
    std::string programs;                            // directory of gantryd itself: the other programs are there
    std::vector<std::string> drivers;                // directories with drivers, the installation's own first

    // Fills programs and drivers from where this program lies: PREFIX/bin and PREFIX/drivers in a build tree,
    // PREFIX/lib/gantry/drivers in an installation.
    static Result<Paths> find();
    std::string program(const std::string& name) const { return programs + "/" + name; }
    // The drivers of the installation, before any configuration; the engine's name is missing.
    driver::Settings installed_drivers() const;
};

}  // namespace gantry::daemon
