// How much of each image others have, too.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/image/image_store.hpp"

namespace gantry::image {

class SharedSizes {
public:
    // Of all images there are.
    explicit SharedSizes(const std::vector<std::shared_ptr<const Image>>& images);
    // Bytes of the image's layers that another image stands on, too.
    std::int64_t shared(const Image& image) const;
    // Bytes of all layers, each once.
    std::int64_t total() const { return total_; }

private:
    std::map<std::string, int> users_;  // by layer
    std::int64_t total_ = 0;
};

}  // namespace gantry::image
