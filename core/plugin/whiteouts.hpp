// What a layer takes away from those below it (OCI image-spec, layer.md, whiteouts).
#pragma once
#include <set>
#include <string>
#include <string_view>

#include <gantry/result.hpp>

namespace gantry::plugin {

// The marks of one layer that is being unpacked below `root` (borrowed, open for reading).
class Whiteouts {
public:
    explicit Whiteouts(int root) : root_(root) {}
    // The name of a member as it is to be unpacked: itself, or "" for a mark. What a mark names is then gone, but for what
    // this very layer has put there. GANTRY_INVALID: a mark that marks nothing. Links on the way are not followed.
    Result<std::string> apply(std::string_view name);

private:
    Result<void> empty(const std::string& directory);

    const int root_;
    std::set<std::string> made_;  // paths of this layer, and those above them
};

}  // namespace gantry::plugin
