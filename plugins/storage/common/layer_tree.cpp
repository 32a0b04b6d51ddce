#include "plugins/storage/common/layer_tree.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gantry/driver.hpp>

#include "plugins/storage/common/overlay_marks.hpp"
#include "plugins/storage/common/tar_name.hpp"
#include "plugins/storage/common/tree.hpp"

namespace gantry::storage {
namespace {

constexpr std::size_t max_stack = 500;  // OVL_MAX_STACK of the kernel

// 128 bits of SHA-256: short, because overlay takes the paths of up to 500 directories.
std::string id_of(const std::string& key) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_Digest(key.data(), key.size(), digest, &length, EVP_sha256(), nullptr);
    static constexpr char digits[] = "0123456789abcdef";
    std::string id;
    for (unsigned i = 0; i < 16; ++i) {
        id += digits[digest[i] >> 4];
        id += digits[digest[i] & 15];
    }
    return id;
}

std::string shown_key(const std::string& key) { return "\"" + shown(key) + "\""; }

Result<UniqueFd> make_and_open(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("make directory \"" + path + "\"");
    int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return fail_errno("open \"" + path + "\"");
    return UniqueFd(fd);
}

Result<Layer> parse_state(const std::string& text, const std::string& key) {
    Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return fail(Code::corrupt, "the state of layer " + shown_key(key) + " is damaged");
    Layer layer;
    layer.key = member<std::string>(json, "key");
    layer.parent = member<std::string>(json, "parent");
    layer.state = member<std::string>(json, "state");
    layer.labels = member<std::map<std::string, std::string>>(json, "labels");
    if (layer.state != "active" && layer.state != "view" && layer.state != "committed")
        return fail(Code::corrupt, "the state of layer " + shown_key(key) + " is damaged");
    if (!key.empty() && layer.key != key)
        return fail(Code::corrupt, "layer " + shown_key(key) + " is stored as " + shown_key(layer.key));
    return layer;
}

std::string state_text(const std::string& key, const std::string& parent, const std::string& state,
                       const std::map<std::string, std::string>& labels) {
    Json json{{"key", key}, {"parent", parent}, {"state", state}};
    if (!labels.empty()) json["labels"] = labels;
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<std::unique_ptr<LayerTree>> LayerTree::open(const std::string& root) {
    std::unique_ptr<LayerTree> tree(new LayerTree);
    tree->root_ = root;
    GANTRY_TRY(UniqueFd top, make_and_open(root));
    (void)top;
    GANTRY_TRY(tree->active_, make_and_open(root + "/active"));
    GANTRY_TRY(tree->committed_, make_and_open(root + "/committed"));
    GANTRY_TRY(tree->trash_, make_and_open(root + "/trash"));
    GANTRY_TRY(tree->spare_, make_and_open(root + "/spare"));
    tree->spares_ = std::make_unique<Spares>(tree->spare_.get(), tree->trash_.get());
    return tree;
}

Result<std::shared_ptr<const Layer>> LayerTree::read_committed(const std::string& id, const std::string& key) {
    auto text = read_small(committed_.get(), id + "/committed");
    if (!text) {
        if (text.error().system_errno == ENOENT) return fail(Code::not_found, "no layer " + shown_key(key));
        return std::move(text).error();
    }
    GANTRY_TRY(Layer layer, parse_state(*text, key));
    layer.directory = root_ + "/committed/" + id;
    GANTRY_TRY(UniqueFd fs, open_at(committed_.get(), id + "/fs", O_RDONLY | O_DIRECTORY));
    struct stat info {};
    if (::fstat(fs.get(), &info) != 0) return fail_errno("look up \"" + layer.fs() + "\"");
    layer.root_mode = info.st_mode & 07777u;
    layer.root_uid = info.st_uid;
    layer.root_gid = info.st_gid;
    layer.chain.push_back(layer.fs());
    // The kernel ignores the mark on a root directory, so the stack ends here instead.
    if (!layer.parent.empty() && !is_opaque(fs.get())) {
        GANTRY_TRY(auto below, find_committed(layer.parent));
        layer.chain.insert(layer.chain.end(), below->chain.begin(), below->chain.end());
    }
    auto made = std::make_shared<const Layer>(std::move(layer));
    std::lock_guard lock(mutex_);
    known_[key] = made;
    return made;
}

Result<std::shared_ptr<const Layer>> LayerTree::find_committed(const std::string& key) {
    {
        std::lock_guard lock(mutex_);
        if (auto found = known_.find(key); found != known_.end()) return found->second;
    }
    return read_committed(id_of(key), key);
}

Result<std::shared_ptr<const Layer>> LayerTree::read_active(const std::string& key) {
    const std::string id = id_of(key);
    auto text = read_small(active_.get(), id + "/state");
    if (!text) {
        if (text.error().system_errno == ENOENT) return fail(Code::not_found, "no layer " + shown_key(key));
        return std::move(text).error();
    }
    if (text->empty() || text->back() != '\n') return fail(Code::not_found, "no layer " + shown_key(key));  // half made
    GANTRY_TRY(Layer layer, parse_state(*text, key));
    layer.directory = root_ + "/active/" + id;
    return std::make_shared<const Layer>(std::move(layer));
}

Result<std::shared_ptr<const Layer>> LayerTree::find(const std::string& key) {
    auto committed = find_committed(key);
    if (committed || committed.error().code != Code::not_found) return committed;
    return read_active(key);
}

Result<std::vector<std::string>> LayerTree::chain_over(const std::string& parent) {
    if (parent.empty()) return std::vector<std::string>();
    auto layer = find_committed(parent);
    if (!layer && layer.error().code == Code::not_found)
        return fail(Code::not_found, "no committed layer " + shown_key(parent) + " to be the parent");
    if (!layer) return std::move(layer).error();
    if ((*layer)->chain.size() > max_stack)
        return fail(Code::exhausted, std::to_string((*layer)->chain.size()) + " layers are more than can be stacked (" +
                                         std::to_string(max_stack) + ")");
    return (*layer)->chain;
}

Result<std::shared_ptr<const Layer>> LayerTree::make(const std::string& key, const std::string& parent,
                                                     const std::string& state,
                                                     const std::map<std::string, std::string>& labels,
                                                     const Fill& fill) {
    Layer layer;
    layer.key = key;
    layer.parent = parent;
    layer.state = state;
    layer.labels = labels;
    mode_t mode = 0755;
    uid_t uid = 0;
    gid_t gid = 0;
    GANTRY_CHECK(hold_parent(parent));
    ScopeGuard parent_held([&] { release_parent(parent); });
    std::shared_ptr<const Layer> below;
    if (!parent.empty()) {
        GANTRY_TRY(below, find_committed(parent));
        mode = below->root_mode;
        uid = below->root_uid;
        gid = below->root_gid;
    }
    const std::string id = id_of(key);
    layer.directory = root_ + "/active/" + id;
    {
        std::lock_guard lock(mutex_);
        ++making_[id];
    }
    ScopeGuard made([&] {
        std::lock_guard lock(mutex_);
        if (--making_[id] == 0) making_.erase(id);
    });
    GANTRY_TRY(bool claimed, claim(id));
    if (!claimed) {
        auto there = read_active(key);
        if (there) return fail(Code::conflict, "layer " + shown_key(key) + " is there already");
        if (there.error().code != Code::not_found) return std::move(there).error();
        GANTRY_CHECK(discard(active_.get(), id));  // left half made by an earlier run
        GANTRY_TRY(claimed, claim(id));
        if (!claimed) return fail(Code::busy, "layer " + shown_key(key) + " is being made by another call");
    }
    ScopeGuard undo([&] { (void)discard(active_.get(), id); });
    const std::string fs = id + "/fs";
    if ((uid != 0 || gid != 0) && ::fchownat(active_.get(), fs.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno("set the owner of a layer");
    if (::fchmodat(active_.get(), fs.c_str(), mode, 0) != 0) return fail_errno("set the mode of a layer");
    if (fill) GANTRY_CHECK(fill(layer, below.get()));
    GANTRY_CHECK(write_small(active_.get(), id + "/state", state_text(key, parent, state, labels), Durable::no));
    undo.dismiss();
    return std::make_shared<const Layer>(std::move(layer));
}

Result<void> LayerTree::hold_parent(const std::string& parent) {
    std::lock_guard lock(mutex_);
    if (removing_.contains(parent))
        return fail(Code::not_found, "no committed layer " + shown_key(parent) + " to be the parent");
    ++parents_[parent];
    return {};
}

void LayerTree::release_parent(const std::string& parent) {
    std::lock_guard lock(mutex_);
    if (--parents_[parent] == 0) parents_.erase(parent);
}

Result<void> LayerTree::commit_on(const Layer& active, const std::string& name, const std::string& parent,
                                  const std::function<Result<void>(const std::vector<std::string>&)>& before) {
    if (!active.parent.empty())
        return fail(Code::conflict, "layer " + shown_key(active.key) + " was prepared on " + shown_key(active.parent));
    GANTRY_CHECK(hold_parent(parent));
    ScopeGuard parent_held([&] { release_parent(parent); });
    GANTRY_TRY(auto chain, chain_over(parent));
    GANTRY_CHECK(before(chain));
    return commit_as(active, name, parent);
}

Result<void> LayerTree::commit(const Layer& active, const std::string& name) {
    return commit_as(active, name, active.parent);
}

Result<void> LayerTree::commit_as(const Layer& active, const std::string& name, const std::string& parent) {
    if (auto there = find_committed(name)) {
        if ((*there)->parent != parent)
            return fail(Code::conflict, "layer " + shown_key(name) + " is there with another parent");
        return remove(active.key);
    } else if (there.error().code != Code::not_found) {
        return std::move(there).error();
    }
    const std::string from = id_of(active.key), to = id_of(name);
    GANTRY_TRY(auto cleared, remove_entry(active_.get(), from + "/work"));
    (void)cleared;
    (void)::unlinkat(active_.get(), (from + "/committed").c_str(), 0);  // of a commit that was cut short
    GANTRY_CHECK(write_small(active_.get(), from + "/committed", state_text(name, parent, "committed", active.labels),
                             Durable::no));
    // Everything the layer consists of is on disk before its name is.
    if (::syncfs(active_.get()) != 0) return fail_errno("sync layer " + shown_key(active.key));
    if (::renameat2(active_.get(), from.c_str(), committed_.get(), to.c_str(), RENAME_NOREPLACE) != 0) {
        if (errno != EEXIST) return fail_errno("commit layer " + shown_key(active.key));
        GANTRY_TRY(auto there, find_committed(name));  // another call was faster
        if (there->parent != parent)
            return fail(Code::conflict, "layer " + shown_key(name) + " is there with another parent");
        return remove(active.key);
    }
    for (const char* file : {"/state", "/implied"}) (void)::unlinkat(committed_.get(), (to + file).c_str(), 0);
    if (::fsync(committed_.get()) != 0) return fail_errno("sync the directory of layers");
    return {};
}

Result<bool> LayerTree::claim(const std::string& id) {
    if (const std::string spare = spares_->take(); !spare.empty()) {
        if (::renameat2(spare_.get(), spare.c_str(), active_.get(), id.c_str(), RENAME_NOREPLACE) == 0) return true;
        const int error = errno;
        (void)remove_entry(spare_.get(), spare);
        if (error == EEXIST) return false;
    }
    if (::mkdirat(active_.get(), id.c_str(), 0700) != 0) {
        if (errno == EEXIST) return false;
        return fail_errno("make the directory of a layer");
    }
    if (::mkdirat(active_.get(), (id + "/fs").c_str(), 0755) != 0 ||
        ::mkdirat(active_.get(), (id + "/work").c_str(), 0700) != 0) {
        Error error = fail_errno("make the directory of a layer");
        (void)discard(active_.get(), id);
        return error;
    }
    return true;
}

Result<void> LayerTree::discard(int directory, const std::string& id) {
    (void)::unlinkat(directory, (id + "/state").c_str(), 0);  // from here on: half made, so gone
    for (int attempt = 0; attempt < 1000; ++attempt) {
        std::string grave;
        {
            std::lock_guard lock(mutex_);
            grave = id + "." + std::to_string(::getpid()) + "." + std::to_string(serial_++);
        }
        if (::renameat2(directory, id.c_str(), trash_.get(), grave.c_str(), RENAME_NOREPLACE) == 0) {
            spares_->deleted();
            return {};
        }
        if (errno == ENOENT) return {};
        if (errno != EEXIST) return fail_errno("remove a layer");
    }
    return fail(Code::internal, "remove a layer: no free name in the trash");
}

Result<void> LayerTree::remove(const std::string& key) {
    const std::string id = id_of(key);
    struct stat info {};
    if (::fstatat(committed_.get(), id.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) return remove_committed(key, id);
    return discard(active_.get(), id);
}

Result<void> LayerTree::remove_committed(const std::string& key, const std::string& id) {
    {
        std::lock_guard lock(mutex_);
        if (parents_.contains(key))
            return fail(Code::conflict, "layer " + shown_key(key) + " is there for a layer that is being made");
        removing_.insert(key);
        known_.erase(key);
    }
    ScopeGuard removed([&] {
        std::lock_guard lock(mutex_);
        removing_.erase(key);
        known_.erase(key);
    });
    GANTRY_TRY(const std::string child, child_of(key));
    if (!child.empty())
        return fail(Code::conflict, "layer " + shown_key(key) + " is there for layer " + shown_key(child));
    return discard(committed_.get(), id);
}

Result<std::string> LayerTree::child_of(const std::string& parent) {
    const std::pair<int, const char*> places[] = {{active_.get(), "/state"}, {committed_.get(), "/committed"}};
    for (const auto& [directory, file] : places) {
        GANTRY_TRY(auto ids, names_in(directory));
        for (const std::string& id : ids)
            if (auto text = read_small(directory, id + file))
                if (auto layer = parse_state(*text, ""); layer && layer->parent == parent) return layer->key;
    }
    return std::string();
}

Result<std::vector<std::string>> LayerTree::list() {
    std::vector<std::string> keys;
    GANTRY_TRY(auto committed, names_in(committed_.get()));
    for (const std::string& id : committed)
        if (auto text = read_small(committed_.get(), id + "/committed"))
            if (auto layer = parse_state(*text, "")) keys.push_back(layer->key);
    GANTRY_TRY(auto active, names_in(active_.get()));
    for (const std::string& id : active)
        if (auto text = read_small(active_.get(), id + "/state"))
            if (auto layer = parse_state(*text, "")) keys.push_back(layer->key);
    return keys;
}

Result<std::int64_t> LayerTree::cleanup() {
    GANTRY_TRY(auto active, names_in(active_.get()));
    for (const std::string& id : active) {
        {
            std::lock_guard lock(mutex_);
            if (making_.contains(id)) continue;
        }
        // In this order: what was listed and is no longer being made has its state by now.
        auto text = read_small(active_.get(), id + "/state");
        if (text ? !text->empty() && text->back() == '\n' : text.error().system_errno != ENOENT) continue;
        GANTRY_CHECK(discard(active_.get(), id));
    }
    return spares_->empty_trash();
}

Result<UniqueFd> LayerTree::open_fs(const Layer& layer) {
    int fd = ::open(layer.fs().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return fail_errno("open \"" + layer.fs() + "\"");
    return UniqueFd(fd);
}

}  // namespace gantry::storage
