// What comes out of a build: an image, or its files.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/build/client.hpp"
#include "core/build/graph.hpp"
#include "core/build/layers.hpp"
#include "core/image/image_store.hpp"

namespace gantry::build {

struct Output {
    std::string type;                               // image, local, tar, oci, docker
    std::map<std::string, std::string> attributes;  // "name", "dest", "push", ...
};

// The image config of the target, whole: history with times, diff ids. `created_ns` is its time, and that of history that
// has none.
Result<std::string> image_config(const Target& target, const std::vector<LayerRef>& layers, std::int64_t created_ns);

// A tree and the directory of the tar in which it stands, one name or "".
struct FilesOf {
    std::string directory;
    std::vector<LayerRef> stack;
};
// The files of targets as one tar (pax where ustar does not do), sorted. Times later than `epoch` (seconds, -1: none) become it.
Result<void> write_files(Layers& layers, const std::vector<FilesOf>& all, std::int64_t epoch,
                         const std::function<Result<void>(std::string_view)>& write, const Cancel& cancel);

enum class ArchiveForm { oci = 1, docker };
struct ArchiveImage {
    std::string config;  // as image_config() gives it
    std::vector<LayerRef> layers;
    std::map<std::string, std::string> annotations;  // oci only
    Json platform;  // {"os", "architecture", "variant"}, told of where there are several
};
struct Archive {
    ArchiveForm form = ArchiveForm::oci;
    std::vector<ArchiveImage> images;  // docker: one; oci: several are named by an index
    std::vector<std::string> tags;
};
// What `load` reads, the layers as plain tars. Gives the digest of the manifest or the index; "" of a docker archive.
Result<std::string> write_archive(Layers& layers, image::ImageStore& images, const Archive& archive,
                                  const std::function<Result<void>(std::string_view)>& write, const Cancel& cancel);

}  // namespace gantry::build
