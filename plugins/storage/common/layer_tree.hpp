// Layers as directories, for drivers that keep them so:
//   ROOT/active/ID/{fs,work,state}     active and view layers; state is written last: without it, half made
//   ROOT/active/ID/implied             directories that get their attributes from a parent still to come (Implied)
//   ROOT/committed/ID/{fs,committed}   committed layers; one rename moves a layer here
//   ROOT/spare/N/{fs,work}             empty layers made ahead
//   ROOT/trash/...                     removed layers that are still to be deleted
// ID is made from the key, which is hostile text. All state is in these files: a restart needs nothing else. Committed
// layers never change, so what was read of them is kept in memory.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "plugins/storage/common/spares.hpp"

namespace gantry::storage {

struct Layer {
    std::string key, parent;
    std::string state;  // "active", "view" or "committed"
    std::map<std::string, std::string> labels;
    std::string directory;  // absolute: ROOT/active/ID
    std::string fs() const { return directory + "/fs"; }
    std::string work() const { return directory + "/work"; }

    // Committed layers only: the fs directories to stack, this one first, and what the root directory looks like.
    std::vector<std::string> chain;
    mode_t root_mode = 0755;
    uid_t root_uid = 0;
    gid_t root_gid = 0;
};

class LayerTree {
public:
    static Result<std::unique_ptr<LayerTree>> open(const std::string& root);

    // GANTRY_NOT_FOUND naming the key.
    Result<std::shared_ptr<const Layer>> find(const std::string& key);
    Result<std::shared_ptr<const Layer>> find_committed(const std::string& key);
    // The directories an overlay over `parent` stacks, topmost first; none for "".
    Result<std::vector<std::string>> chain_over(const std::string& parent);
    // Makes an "active" or "view" layer. There already: GANTRY_CONFLICT. `fill` is called before anyone sees it: with the
    // layer, whose directories are there and empty, and its parent (nullptr for none).
    using Fill = std::function<Result<void>(const Layer& made, const Layer* parent)>;
    Result<std::shared_ptr<const Layer>> make(const std::string& key, const std::string& parent,
                                              const std::string& state,
                                              const std::map<std::string, std::string>& labels, const Fill& fill = {});
    // The active layer becomes the committed layer `name`.
    Result<void> commit(const Layer& active, const std::string& name);
    // The same for one that was made on no parent, on `parent`; `before` is called first, with chain_over(parent).
    Result<void> commit_on(const Layer& active, const std::string& name, const std::string& parent,
                           const std::function<Result<void>(const std::vector<std::string>&)>& before);
    // A committed layer that others stand on, or are just being made on: GANTRY_CONFLICT.
    Result<void> remove(const std::string& key);
    Result<std::vector<std::string>> list();
    Result<std::int64_t> cleanup();
    // A descriptor of the layer's fs directory.
    Result<UniqueFd> open_fs(const Layer& layer);

private:
    LayerTree() = default;
    Result<void> commit_as(const Layer& active, const std::string& name, const std::string& parent);
    // While held, `parent` is not removed.
    Result<void> hold_parent(const std::string& parent);
    void release_parent(const std::string& parent);
    Result<std::shared_ptr<const Layer>> read_active(const std::string& key);
    Result<std::shared_ptr<const Layer>> read_committed(const std::string& id, const std::string& key);
    Result<void> discard(int directory, const std::string& id);
    Result<void> remove_committed(const std::string& key, const std::string& id);
    // The key of a layer that stands on `parent`, "" for none.
    Result<std::string> child_of(const std::string& parent);
    // An empty {fs, work} at ROOT/active/ID; false when ID is there already.
    Result<bool> claim(const std::string& id);

    std::string root_;
    UniqueFd active_, committed_, trash_, spare_;
    std::mutex mutex_;                                                     // the members below
    std::unordered_map<std::string, std::shared_ptr<const Layer>> known_;  // committed layers by key
    std::unordered_map<std::string, int> making_;                          // ids being made: cleanup leaves them
    std::unordered_map<std::string, int> parents_;                         // keys that layers are being made on
    std::set<std::string> removing_;                                       // committed keys: no layer is begun on them
    std::int64_t serial_ = 0;
    std::unique_ptr<Spares> spares_;  // last: its thread uses the descriptors
};

}  // namespace gantry::storage
