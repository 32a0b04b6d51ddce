// The places that a step's mounts need and its tree does not have: made before it runs, taken away afterwards, so that its
// layer has nothing of them.
#pragma once
#include <sys/types.h>

#include <ctime>
#include <string>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::build {

class MountPoints {
public:
    struct Place {
        std::string path;  // absolute
        bool directory = true;
    };
    // Makes what is missing of the places inside `root`, with mode 0755.
    Result<void> make(int root, const std::vector<Place>& places);
    // Takes away what make() made, where it is still the very same, empty thing: whatever a process put in its place, or
    // into it, stays. Names are resolved inside `root`, and nothing is followed at their end.
    void remove(int root);

private:
    struct Made {
        std::string directory, name;  // within it
        bool is_directory = true;
        ino_t inode = 0;
        timespec before{}, after{};  // the times of the directory that it was made in
    };
    Result<bool> make_one(int root, const std::string& directory, const std::string& name, bool is_directory);
    std::vector<Made> made_;
};

}  // namespace gantry::build
