#include "core/build/trees.hpp"

#include <fcntl.h>

#include "core/base/files.hpp"
#include "core/container/rootfs_view.hpp"

namespace gantry::build {
namespace {

class LayerTree final : public Tree {
public:
    LayerTree(Layers::Work view, UniqueFd root) : view_(std::move(view)), root_(std::move(root)) {}
    int root() const override { return root_.get(); }

private:
    Layers::Work view_;
    UniqueFd root_;  // last: gone before the view is
};

}  // namespace

DirectoryTree::~DirectoryTree() {
    root_.reset();
    if (temporary_) (void)remove_tree(path_);
}

Result<std::shared_ptr<const Tree>> DirectoryTree::open(const std::string& path, bool temporary) {
    GANTRY_TRY(UniqueFd root, open_file(path, O_PATH | O_DIRECTORY));
    return std::shared_ptr<const Tree>(std::make_shared<DirectoryTree>(path, std::move(root), temporary));
}

std::optional<std::string> DirectoryTree::digest_of(const std::string& path) const {
    auto found = digests_.find(path);
    return found == digests_.end() ? std::nullopt : std::optional(found->second);
}

Result<std::shared_ptr<const Tree>> view_of(Layers& layers, const std::string& top) {
    GANTRY_TRY(Layers::Work view, layers.view(top));
    GANTRY_TRY(UniqueFd root, container::open_rootfs(view.mounts(), container::Access::read_only));
    return std::shared_ptr<const Tree>(std::make_shared<LayerTree>(std::move(view), std::move(root)));
}

}  // namespace gantry::build
