// The layer driver "copy": each layer a whole copy of its parent.
#include <gantry/layer.hpp>

#include "plugins/storage/layer/copy/copy_layers.hpp"

namespace gantry::copy {
namespace {

using storage::Layer;
using storage::LayerTree;

class CopyDriver final : public LayerDriver {
public:
    static Json describe() {
        return {{"summary", "layers as whole directories, each a copy of its parent; needs nothing of the kernel"},
                {"abilities", Json::array()},
                {"options", Json::object()},
                {"object_options", Json::object()}};
    }

    static Result<std::unique_ptr<CopyDriver>> create(Host, const DriverConfig& config) {
        if (config.root.empty() || config.root.front() != '/')
            return fail(Code::invalid, "the root \"" + config.root + "\" is not an absolute path");
        GANTRY_TRY(auto tree, LayerTree::open(config.root));
        return std::make_unique<CopyDriver>(std::move(tree));
    }

    explicit CopyDriver(std::unique_ptr<LayerTree> tree) : layers_(std::move(tree)) {}

    Result<Mounts> prepare(Call& call, const std::string& key, const std::string& parent,
                           const Labels& labels) override {
        return make(call, key, parent, "active", labels);
    }

    Result<Mounts> view(Call& call, const std::string& key, const std::string& parent) override {
        return make(call, key, parent, "view", {});
    }

    Result<Mounts> mounts(Call&, const std::string& key) override {
        GANTRY_TRY(auto layer, tree().find(key));
        if (layer->state == "committed")
            return fail(Code::conflict, "layer \"" + key + "\" is committed and has no mounts of its own");
        return plan(*layer);
    }

    Result<void> commit(Call&, const std::string& key, const std::string& name) override {
        if (name.empty()) return fail(Code::invalid, "a layer needs a name");
        auto layer = tree().find(key);
        if (!layer && layer.error().code == Code::not_found && tree().find_committed(name)) return {};  // asked again
        if (!layer) return std::move(layer).error();
        GANTRY_CHECK(want_active(**layer));
        return tree().commit(**layer, name);
    }

    Result<void> remove(Call&, const std::string& key) override { return tree().remove(key); }

    Result<Stat> stat(Call&, const std::string& key) override {
        auto layer = tree().find(key);
        if (!layer && layer.error().code == Code::not_found) return Stat{};
        if (!layer) return std::move(layer).error();
        return Stat{(*layer)->state, (*layer)->parent, (*layer)->labels};
    }

    Result<std::vector<std::string>> list(Call&) override { return tree().list(); }

    Result<Usage> usage(Call& call, const std::string& key) override {
        GANTRY_TRY(auto layer, tree().find(key));
        return layers_.usage(*layer, [&] { return call.cancelled(); });
    }

    Result<std::int64_t> cleanup(Call&) override { return tree().cleanup(); }

    Result<std::int64_t> apply(Call& call, const std::string& key, int tar) override {
        if (tar < 0) return fail(Code::invalid, "apply needs the descriptor \"tar\"");
        GANTRY_TRY(auto layer, tree().find(key));
        GANTRY_CHECK(want_active(*layer));
        return layers_.apply(*layer, tar, [&] { return call.cancelled(); });
    }

    Result<void> diff(Call& call, const std::string& key, int tar) override {
        if (tar < 0) return fail(Code::invalid, "diff needs the descriptor \"tar\"");
        GANTRY_TRY(auto layer, tree().find(key));
        return layers_.diff(*layer, tar, [&] { return call.cancelled(); });
    }

    Result<std::vector<Change>> changes(Call& call, const std::string& key) override {
        GANTRY_TRY(auto layer, tree().find(key));
        return layers_.changes(*layer, [&] { return call.cancelled(); });
    }

private:
    LayerTree& tree() { return layers_.tree(); }

    static Result<void> want_active(const Layer& layer) {
        if (layer.state == "active") return {};
        return fail(Code::conflict, "layer \"" + layer.key + "\" is " + layer.state + ", not active");
    }

    Result<Mounts> make(Call& call, const std::string& key, const std::string& parent, const std::string& state,
                        const Labels& labels) {
        if (key.empty()) return fail(Code::invalid, "a layer needs a key");
        if (!parent.empty()) {
            GANTRY_TRY(auto chain, tree().chain_over(parent));
            (void)chain;
        }
        if (tree().find_committed(key)) return fail(Code::conflict, "layer \"" + key + "\" is committed");
        auto layer = layers_.make(key, parent, state, labels, [&] { return call.cancelled(); });
        if (!layer && layer.error().code == Code::conflict) {
            GANTRY_TRY(auto there, tree().find(key));
            if (there->state != state || there->parent != parent)
                return fail(Code::conflict,
                            "layer \"" + key + "\" is there as " + there->state + " over \"" + there->parent + "\"");
            return plan(*there);
        }
        if (!layer) return std::move(layer).error();
        return plan(**layer);
    }

    Result<Mounts> plan(const Layer& layer) {
        MountPlan mount;
        mount.type = "bind";
        mount.source = layer.fs();
        if (layer.state == "view") {
            mount.options = {"ro"};
            if (!layer.parent.empty()) {
                GANTRY_TRY(auto parent, tree().find_committed(layer.parent));
                mount.source = parent->fs();
            }
        }
        return Mounts{mount};
    }

    CopyLayers layers_;
};

}  // namespace
}  // namespace gantry::copy

GANTRY_LAYER_DRIVER(::gantry::copy::CopyDriver, "copy", "1.0.0")
