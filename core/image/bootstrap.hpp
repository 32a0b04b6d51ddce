// A base image straight from the distribution's packages: mmdebstrap writes a root file system as tar, which is
// imported while it comes.
#pragma once
#include <functional>

#include "core/image/image_store.hpp"

namespace gantry::image {

struct BootstrapRequest {
    std::string reference;             // NAME[:TAG]
    std::string suite;                 // "bookworm"
    std::vector<std::string> include;  // packages besides the variant's
    std::string mirror;                // URI, or "": the package sources of this host
    std::string variant = "minbase";   // of mmdebstrap: essential, apt, minbase, buildd, standard, ...
};

// Runs a program outside the engine's process, waits for its end and gives its exit status (128 + signal where one
// ended it). fds become its stdin, stdout and stderr, -1: /dev/null; borrowed. `on_pid` is told the process id at once.
using Spawner = std::function<Result<int>(const std::vector<std::string>& argv, const std::vector<std::string>& env,
                                          const int fds[3], int timeout_ms, const std::function<void(int)>& on_pid)>;

// Gives the image's id. Progress: {"status": line of mmdebstrap}. Failed: nothing is kept, and the text has the last
// lines mmdebstrap wrote. SOURCE_DATE_EPOCH in the environment makes the image reproducible.
Result<std::string> bootstrap(ImageStore& images, const BootstrapRequest& request, const Spawner& spawn,
                              const Progress& progress);

// The lines for sources.list by which this host gets the packages of `suite` ("" parts of the host's configuration
// that have nothing of it); empty where the host's configuration names no source. `etc_apt`: the directory to read.
std::vector<std::string> host_sources(const std::string& etc_apt, const std::string& suite,
                                      const std::string& host_suite);

}  // namespace gantry::image
