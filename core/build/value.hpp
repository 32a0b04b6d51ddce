// What a step gives to those that stand on it.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gantry/unique_fd.hpp>

namespace gantry::build {

struct LayerRef {
    std::string key;      // chain id: a committed layer of the layer driver
    std::string diff_id;  // of its plain tar
    std::int64_t size = 0;
};

// Files that are only read: a context, a download, a git checkout.
class Tree {
public:
    virtual ~Tree() = default;
    virtual int root() const = 0;  // a directory descriptor
    // "sha256:.." of the regular file at `path` (clean, relative), where it is known without reading it.
    virtual std::optional<std::string> digest_of(const std::string&) const { return std::nullopt; }
};

struct Value {
    std::vector<LayerRef> layers;      // lowest first; of an image or a step that changes a tree
    std::shared_ptr<const Tree> tree;  // of a source
    std::string digest;                // of a source: what tells it from another, "" where only its files do

    std::string top() const { return layers.empty() ? std::string() : layers.back().key; }
    // What stands for the whole of it in a cache key; "" where that is not known without looking at the files.
    std::string identity() const { return tree ? digest : "layer:" + top(); }
};

}  // namespace gantry::build
