// The trees that steps read from.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "core/build/layers.hpp"
#include "core/build/value.hpp"

namespace gantry::build {

// A directory of the engine's own, which goes with the object where it is `temporary`.
class DirectoryTree final : public Tree {
public:
    // `digests`: of files whose content is known, by clean relative path.
    DirectoryTree(std::string path, UniqueFd root, bool temporary, std::map<std::string, std::string> digests = {})
        : path_(std::move(path)), root_(std::move(root)), temporary_(temporary), digests_(std::move(digests)) {}
    ~DirectoryTree() override;
    static Result<std::shared_ptr<const Tree>> open(const std::string& path, bool temporary);
    int root() const override { return root_.get(); }
    std::optional<std::string> digest_of(const std::string& path) const override;

private:
    const std::string path_;
    UniqueFd root_;
    const bool temporary_;
    const std::map<std::string, std::string> digests_;
};

// The root file system of an image or a stage, without a layer to write to.
Result<std::shared_ptr<const Tree>> view_of(Layers& layers, const std::string& top);

}  // namespace gantry::build
