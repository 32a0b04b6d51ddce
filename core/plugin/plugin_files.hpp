// The files of one plugin: DIRECTORY/rootfs/TREE, its root file system; DIRECTORY/blobs/HEX, what a registry has of it;
// DIRECTORY/propagated, where its own mounts become visible; DIRECTORY/log. What no record names is swept.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/plugin/plugin_record.hpp"

namespace gantry::plugin {

// A plugin of an archive that holds config.json and rootfs/, plain or compressed, read from `body` to its end. All that is made
// lies in `directory`, and is the caller's to remove where it fails. GANTRY_INVALID: what is wrong with the archive;
// GANTRY_EXHAUSTED: more than a plugin may have.
Result<Content> unpack_context(int body, const std::string& directory);

// A layer of a registry in a file, to be read from its beginning, and the digest of its plain bytes.
struct LayerFile {
    Blob blob;
    std::string diff_id;
    UniqueFd file;
};
// The same of a configuration and its layers, lowest first. Each is checked against its diff id.
Result<Content> unpack_layers(const std::string& document, std::vector<LayerFile> layers, const std::string& directory);

std::string blob_path(const std::string& directory, const std::string& digest);
std::string tree_path(const std::string& directory, const std::string& tree);
std::string propagated_path(const std::string& directory);

// Removes what is in the directory and not of `content`.
Result<void> sweep_directory(const std::string& directory, const Content& content);
// Removes the directory with everything in it, after what may be mounted there. Gone is success.
Result<void> remove_directory(const std::string& directory);

// Where a plugin's own mounts come out: a shared mount, made if it is not there.
Result<void> mount_propagated(const std::string& directory);
// Takes it away, with all that the plugin has mounted below. Not there is success.
void unmount_propagated(const std::string& directory);

}  // namespace gantry::plugin
