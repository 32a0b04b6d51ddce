// Layers as whole directories: made by copying, told apart by comparing.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gantry/layer.hpp>

#include "plugins/storage/common/layer_tree.hpp"

namespace gantry::copy {

class CopyLayers {
public:
    explicit CopyLayers(std::unique_ptr<storage::LayerTree> tree) : tree_(std::move(tree)) {}
    storage::LayerTree& tree() { return *tree_; }

    using Cancelled = std::function<bool()>;
    // Makes an active layer with all that its parent holds, or a view, which holds nothing.
    Result<std::shared_ptr<const storage::Layer>> make(const std::string& key, const std::string& parent,
                                                       const std::string& state, const LayerDriver::Labels& labels,
                                                       const Cancelled& cancelled);
    Result<std::int64_t> apply(const storage::Layer& layer, int tar, const Cancelled& cancelled);
    Result<std::vector<Change>> changes(const storage::Layer& layer, const Cancelled& cancelled);
    Result<void> diff(const storage::Layer& layer, int tar, const Cancelled& cancelled);
    // Of what it adds to its parent or changes.
    Result<LayerDriver::Usage> usage(const storage::Layer& layer, const Cancelled& cancelled);

private:
    std::unique_ptr<storage::LayerTree> tree_;
};

}  // namespace gantry::copy
