// Which images a policy of age and size lets go: no clock, no store, no driver.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace gantry::image {

struct GcPolicy {
    std::int64_t max_age_ns = 0;    // since it was last used; 0: any
    std::int64_t max_bytes = 0;     // of all layers together; 0: any
    std::vector<std::string> keep;  // patterns of names (fnmatch(3), "/" apart): "debian:*", "registry.local/*"
};

struct GcImage {
    std::string id;
    std::vector<std::string> tags;
    std::vector<std::pair<std::string, std::int64_t>> layers;  // key and bytes
    std::int64_t used_ns = 0;
    bool in_use = false;  // a container has it
};

// Ids in the order in which they should go: first what is too old, then, while there is too much, the longest unused.
// What a container uses or a pattern keeps never goes.
std::vector<std::string> choose_images(const std::vector<GcImage>& images, const GcPolicy& policy, std::int64_t now_ns);

}  // namespace gantry::image
