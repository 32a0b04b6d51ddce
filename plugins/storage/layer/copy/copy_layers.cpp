#include "plugins/storage/layer/copy/copy_layers.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <set>

#include "plugins/storage/common/compare_trees.hpp"
#include "plugins/storage/common/copy_tree.hpp"
#include "plugins/storage/common/tar_apply.hpp"
#include "plugins/storage/common/tar_diff.hpp"
#include "plugins/storage/common/tar_name.hpp"
#include "plugins/storage/common/tree.hpp"

namespace gantry::copy {
namespace {

using storage::Layer;
using storage::open_at;

constexpr const char* stamp = "copied";  // within a layer's directory; its time is when the copy was complete

Result<UniqueFd> open_directory(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return fail_errno("open \"" + path + "\"");
    return fd;
}

}  // namespace

Result<std::shared_ptr<const Layer>> CopyLayers::make(const std::string& key, const std::string& parent,
                                                      const std::string& state, const LayerDriver::Labels& labels,
                                                      const Cancelled& cancelled) {
    auto fill = [&](const Layer& made, const Layer* below) -> Result<void> {
        if (state == "view") return {};
        GANTRY_TRY(UniqueFd to, tree_->open_fs(made));
        if (below != nullptr) {
            GANTRY_TRY(UniqueFd from, tree_->open_fs(*below));
            GANTRY_CHECK(storage::copy_tree(from.get(), to.get(), cancelled));
        }
        GANTRY_TRY(UniqueFd directory, open_directory(made.directory));
        return storage::write_small(directory.get(), stamp, "", storage::Durable::no);
    };
    return tree_->make(key, parent, state, labels, fill);
}

Result<std::int64_t> CopyLayers::apply(const Layer& layer, int tar, const Cancelled& cancelled) {
    GANTRY_TRY(UniqueFd fs, tree_->open_fs(layer));
    storage::ApplyTarget target;
    target.root = fs.get();
    target.form = storage::Form::whole;
    return storage::apply_tar(tar, target, storage::ApplyLimits(), cancelled);
}

Result<std::vector<Change>> CopyLayers::changes(const Layer& layer, const Cancelled& cancelled) {
    if (layer.state == "view") return std::vector<Change>();
    GANTRY_TRY(UniqueFd fs, tree_->open_fs(layer));
    UniqueFd base;
    if (!layer.parent.empty()) {
        GANTRY_TRY(auto parent, tree_->find_committed(layer.parent));
        GANTRY_TRY(base, tree_->open_fs(*parent));
    }
    GANTRY_TRY(UniqueFd directory, open_directory(layer.directory));
    struct stat copied {};
    if (::fstatat(directory.get(), stamp, &copied, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno("look up when layer \"" + storage::shown(layer.key) + "\" was copied");
    return storage::compare_trees(fs.get(), base ? base.get() : -1, copied.st_mtim, cancelled);
}

Result<void> CopyLayers::diff(const Layer& layer, int tar, const Cancelled& cancelled) {
    GANTRY_TRY(auto changed, changes(layer, cancelled));
    GANTRY_TRY(UniqueFd fs, tree_->open_fs(layer));
    return storage::changes_tar(fs.get(), changed, tar, cancelled);
}

Result<LayerDriver::Usage> CopyLayers::usage(const Layer& layer, const Cancelled& cancelled) {
    GANTRY_TRY(auto changed, changes(layer, cancelled));
    GANTRY_TRY(UniqueFd fs, tree_->open_fs(layer));
    LayerDriver::Usage usage;
    usage.inodes = 1;  // the root
    std::set<ino_t> counted;
    for (const Change& change : changed) {
        if (change.kind == "deleted") continue;
        const std::size_t slash = change.path.rfind('/');
        auto parent = storage::open_below(fs.get(), slash == 0 ? "" : change.path.substr(1, slash - 1),
                                          O_RDONLY | O_DIRECTORY, storage::Links::refuse);
        struct stat info {};
        if (!parent || ::fstatat(parent->get(), change.path.c_str() + slash + 1, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;  // gone meanwhile
        if (!S_ISDIR(info.st_mode) && info.st_nlink > 1 && !counted.insert(info.st_ino).second) continue;
        ++usage.inodes;
        if (S_ISREG(info.st_mode) || S_ISLNK(info.st_mode)) usage.bytes += info.st_size;
    }
    return usage;
}

}  // namespace gantry::copy
