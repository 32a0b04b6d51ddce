// What outlives a monitor: per container the path of its cgroups, in the driver's private run directory.
#pragma once
#include <string>

#include <gantry/result.hpp>

namespace gantry::native {

class StateFiles {
public:
    // `run` "": nothing is kept.
    explicit StateFiles(std::string run) : run_(std::move(run)) {}
    Result<void> write(const std::string& id, const std::string& cgroups_path) const;
    // "" where nothing is known of `id`.
    std::string cgroup_of(const std::string& id) const;
    void remove(const std::string& id) const;

private:
    std::string file(const std::string& id) const { return run_ + "/" + id + ".cgroup"; }
    std::string run_;
};

}  // namespace gantry::native
