// The layer driver "overlayfs": each layer a directory, stacked by the kernel's overlay file system.
#include <fcntl.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include <fstream>

#include <gantry/layer.hpp>

#include "plugins/storage/common/layer_tree.hpp"
#include "plugins/storage/common/overlay_changes.hpp"
#include "plugins/storage/common/tar_apply.hpp"
#include "plugins/storage/common/tar_diff.hpp"
#include "plugins/storage/common/tree.hpp"

namespace gantry::overlayfs {
namespace {

using storage::Layer;
using storage::LayerTree;

constexpr long overlay_magic = 0x794c7630;
constexpr const char* implied_list = "implied";  // within the directory of an active layer

class OverlayfsDriver final : public LayerDriver {
public:
    static Json describe() {
        return {{"summary", "layers as directories, stacked by overlayfs"},
                {"abilities", {"rebase"}},
                {"options", Json::object()},
                {"object_options", Json::object()}};
    }

    static Result<std::unique_ptr<OverlayfsDriver>> create(Host host, const DriverConfig& config) {
        if (config.root.empty() || config.root.front() != '/')
            return fail(Code::invalid, "the root \"" + config.root + "\" is not an absolute path");
        if (!kernel_has_overlay())
            return fail(Code::unsupported, "this kernel has no overlay file system (/proc/filesystems)");
        GANTRY_TRY(auto tree, LayerTree::open(config.root));
        GANTRY_CHECK(can_hold_uppers(config.root));
        return std::make_unique<OverlayfsDriver>(host, std::move(tree));
    }

    OverlayfsDriver(Host host, std::unique_ptr<LayerTree> tree) : host_(host), tree_(std::move(tree)) {}

    Result<Mounts> prepare(Call&, const std::string& key, const std::string& parent, const Labels& labels) override {
        return make(key, parent, "active", labels);
    }

    Result<Mounts> view(Call&, const std::string& key, const std::string& parent) override {
        return make(key, parent, "view", {});
    }

    Result<Mounts> mounts(Call&, const std::string& key) override {
        GANTRY_TRY(auto layer, tree_->find(key));
        if (layer->state == "committed")
            return fail(Code::conflict, "layer \"" + key + "\" is committed and has no mounts of its own");
        return plan(*layer);
    }

    Result<void> commit(Call&, const std::string& key, const std::string& name) override {
        return commit_layer(key, name, nullptr);
    }

    Result<void> commit_on(Call&, const std::string& key, const std::string& name, const std::string& parent) override {
        return commit_layer(key, name, &parent);
    }

    Result<void> remove(Call&, const std::string& key) override { return tree_->remove(key); }

    Result<Stat> stat(Call&, const std::string& key) override {
        auto layer = tree_->find(key);
        if (!layer && layer.error().code == Code::not_found) return Stat{};
        if (!layer) return std::move(layer).error();
        return Stat{(*layer)->state, (*layer)->parent, (*layer)->labels};
    }

    Result<std::vector<std::string>> list(Call&) override { return tree_->list(); }

    Result<Usage> usage(Call&, const std::string& key) override {
        GANTRY_TRY(auto layer, tree_->find(key));
        GANTRY_TRY(UniqueFd fs, tree_->open_fs(*layer));
        GANTRY_TRY(auto used, storage::tree_usage(fs.get()));
        return Usage{used.bytes, used.inodes};
    }

    Result<std::int64_t> cleanup(Call&) override { return tree_->cleanup(); }

    Result<std::int64_t> apply(Call& call, const std::string& key, int tar) override {
        if (tar < 0) return fail(Code::invalid, "apply needs the descriptor \"tar\"");
        GANTRY_TRY(auto layer, tree_->find(key));
        if (layer->state != "active")
            return fail(Code::conflict, "layer \"" + key + "\" is " + layer->state + ", not active");
        return apply_to(*layer, tar, [&] { return call.cancelled(); });
    }

    Result<void> diff(Call& call, const std::string& key, int tar) override {
        if (tar < 0) return fail(Code::invalid, "diff needs the descriptor \"tar\"");
        GANTRY_TRY(auto layer, tree_->find(key));
        GANTRY_TRY(UniqueFd fs, tree_->open_fs(*layer));
        return storage::diff_tar(fs.get(), tar, [&] { return call.cancelled(); });
    }

    Result<std::vector<Change>> changes(Call&, const std::string& key) override {
        GANTRY_TRY(auto layer, tree_->find(key));
        GANTRY_TRY(UniqueFd fs, tree_->open_fs(*layer));
        GANTRY_TRY(auto chain, tree_->chain_over(layer->parent));
        GANTRY_TRY(auto lowers, open_all(chain));
        return storage::overlay_changes(fs.get(), borrowed(lowers));
    }

private:
    static bool kernel_has_overlay() {
        std::ifstream known("/proc/filesystems");
        for (std::string word; known >> word;)
            if (word == "overlay") return true;
        return false;
    }

    Result<void> commit_layer(const std::string& key, const std::string& name, const std::string* parent) {
        if (name.empty()) return fail(Code::invalid, "a layer needs a name");
        auto layer = tree_->find(key);
        if (!layer && layer.error().code == Code::not_found && tree_->find_committed(name)) return {};  // asked again
        if (!layer) return std::move(layer).error();
        if ((*layer)->state != "active")
            return fail(Code::conflict, "layer \"" + key + "\" is " + (*layer)->state + ", not active");
        if (parent == nullptr || *parent == (*layer)->parent) return tree_->commit(**layer, name);
        return tree_->commit_on(**layer, name, *parent, [&](const std::vector<std::string>& chain) -> Result<void> {
            GANTRY_TRY(auto lowers, open_all(chain));
            GANTRY_TRY(UniqueFd directory, open_directory((*layer)->directory));
            GANTRY_TRY(UniqueFd fs, tree_->open_fs(**layer));
            GANTRY_TRY(auto implied, storage::Implied::load(directory.get(), implied_list));
            return implied.take_attributes(fs.get(), borrowed(lowers));
        });
    }

    static Result<void> can_hold_uppers(const std::string& root) {
        GANTRY_TRY(UniqueFd top, open_directory(root));
        struct statfs info {};
        if (::fstatfs(top.get(), &info) == 0 && static_cast<long>(info.f_type) == overlay_magic)
            return fail(Code::unsupported,
                        "\"" + root + "\" is on overlayfs, which cannot hold the upper layers of another overlay");
        if (::fsetxattr(top.get(), "trusted.gantry.probe", "y", 1, 0) != 0)
            return fail_errno("set a trusted attribute in \"" + root + "\", as overlayfs needs");
        ::fremovexattr(top.get(), "trusted.gantry.probe");
        return {};
    }

    Result<Mounts> make(const std::string& key, const std::string& parent, const std::string& state,
                        const Labels& labels) {
        if (key.empty()) return fail(Code::invalid, "a layer needs a key");
        GANTRY_TRY(auto chain, tree_->chain_over(parent));
        if (tree_->find_committed(key)) return fail(Code::conflict, "layer \"" + key + "\" is committed");
        auto layer = tree_->make(key, parent, state, labels);
        if (!layer && layer.error().code == Code::conflict) {
            GANTRY_TRY(auto there, tree_->find(key));
            if (there->state != state || there->parent != parent)
                return fail(Code::conflict,
                            "layer \"" + key + "\" is there as " + there->state + " over \"" + there->parent + "\"");
            return plan(*there);
        }
        if (!layer) return std::move(layer).error();
        return plan_over(**layer, std::move(chain));
    }

    Result<Mounts> plan(const Layer& layer) {
        GANTRY_TRY(auto chain, tree_->chain_over(layer.parent));
        return plan_over(layer, std::move(chain));
    }

    static Mounts plan_over(const Layer& layer, std::vector<std::string> chain) {
        MountPlan mount;
        const bool writable = layer.state == "active";
        if (!writable) mount.options = {"ro"};
        if (chain.empty() || (!writable && chain.size() == 1)) {
            mount.type = "bind";
            mount.source = chain.empty() ? layer.fs() : chain.front();
            return {mount};
        }
        mount.type = "overlay";
        mount.source = "overlay";
        mount.lower = std::move(chain);
        if (writable) {
            mount.upper = layer.fs();
            mount.work = layer.work();
            // Whatever the module's defaults are: an upper directory that diff and changes can read.
            mount.fs_options = {"redirect_dir=off", "metacopy=off", "index=off"};
        }
        return {mount};
    }

    Result<std::int64_t> apply_to(const Layer& layer, int tar, const std::function<bool()>& cancelled) {
        GANTRY_TRY(UniqueFd fs, tree_->open_fs(layer));
        GANTRY_TRY(auto chain, tree_->chain_over(layer.parent));
        GANTRY_TRY(auto lowers, open_all(chain));
        storage::ApplyTarget target;
        target.root = fs.get();
        target.lowers = borrowed(lowers);
        if (!layer.parent.empty()) return storage::apply_tar(tar, target, storage::ApplyLimits(), cancelled);
        // Perhaps it gets a parent when it is committed.
        GANTRY_TRY(UniqueFd directory, open_directory(layer.directory));
        GANTRY_TRY(auto implied, storage::Implied::load(directory.get(), implied_list));
        target.implied = &implied;
        GANTRY_TRY(std::int64_t bytes, storage::apply_tar(tar, target, storage::ApplyLimits(), cancelled));
        GANTRY_CHECK(implied.save(directory.get(), implied_list));
        return bytes;
    }

    static Result<UniqueFd> open_directory(const std::string& path) {
        UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!fd) return fail_errno("open \"" + path + "\"");
        return fd;
    }

    static Result<std::vector<UniqueFd>> open_all(const std::vector<std::string>& chain) {
        std::vector<UniqueFd> directories;
        for (const std::string& path : chain) {
            GANTRY_TRY(UniqueFd fd, open_directory(path));
            directories.push_back(std::move(fd));
        }
        return directories;
    }

    static std::vector<int> borrowed(const std::vector<UniqueFd>& directories) {
        std::vector<int> numbers;
        for (const UniqueFd& fd : directories) numbers.push_back(fd.get());
        return numbers;
    }

    Host host_;
    std::unique_ptr<LayerTree> tree_;
};

}  // namespace
}  // namespace gantry::overlayfs

GANTRY_LAYER_DRIVER(::gantry::overlayfs::OverlayfsDriver, "overlayfs", "1.0.0")
