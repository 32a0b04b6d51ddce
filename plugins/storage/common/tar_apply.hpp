// Unpacks an OCI layer (an uncompressed tar stream; whiteouts are .wh. files) into a layer's directory.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include <gantry/result.hpp>

#include "plugins/storage/common/layer_writer.hpp"

namespace gantry::storage {

struct ApplyLimits {
    std::int64_t entries = 4'000'000;
    std::int64_t bytes = std::int64_t{256} << 30;  // of file content
    std::int64_t xattr_bytes = 64 << 10;           // of one entry
};

struct ApplyTarget {
    int root = -1;            // the layer's own directory, borrowed
    std::vector<int> lowers;  // roots of the layers below, topmost first, borrowed
    Form form = Form::upper;
    Implied* implied = nullptr;  // borrowed: takes the directories that were made although no entry was for them
};

// Reads `tar` to its end. Gives the bytes of file content. Entries are hostile: nothing outside the root is touched;
// an entry that asks for it, or breaks a limit, ends the whole with an Error that names it, and the tree is then to
// be thrown away. `cancelled` is asked now and then: true ends it with GANTRY_CANCELLED.
Result<std::int64_t> apply_tar(int tar, const ApplyTarget& target, const ApplyLimits& limits,
                               const std::function<bool()>& cancelled);

}  // namespace gantry::storage
