// Makes the entries of one layer below a directory descriptor. The names come from a hostile archive: parents are
// resolved inside the root by the kernel, last components are never followed, and all attributes are set through
// descriptors or with AT_SYMLINK_NOFOLLOW. Nobody else may work in the tree meanwhile.
#pragma once
#include <sys/types.h>
#include <time.h>

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "plugins/storage/common/tar_name.hpp"

namespace gantry::storage {

struct Attributes {
    uid_t uid = 0;
    gid_t gid = 0;
    mode_t mode = 0;  // permissions with set-id and sticky bits
    timespec mtime{};
    std::vector<std::pair<std::string, std::string>> xattrs;  // portable ones only
};

class LayerWriter {
public:
    // `root` and `lowers` (the roots of the layers below, topmost first: where directories that the archive does
    // not list take their attributes from) are borrowed.
    LayerWriter(int root, std::vector<int> lowers) : root_(root), lowers_(std::move(lowers)) {}

    // Each replaces what the layer had at `name`; a directory over a directory keeps the content.
    Result<void> directory(const EntryName& name, const Attributes& attributes);
    // An empty file, open for writing; give it to finish_file when its content is there.
    Result<UniqueFd> file(const EntryName& name);
    Result<void> finish_file(const UniqueFd& file, const Attributes& attributes);
    Result<void> symlink(const EntryName& name, const std::string& target, const Attributes& attributes);
    Result<void> hardlink(const EntryName& name, const EntryName& target);
    // FIFO, character or block device; `type` is S_IFIFO, S_IFCHR or S_IFBLK.
    Result<void> node(const EntryName& name, mode_t type, dev_t device, const Attributes& attributes);

    // Hides `target` beside `name` in lower layers. What this layer itself has there stays.
    Result<void> whiteout(const std::string& directory, const std::string& target);
    // Hides all that lower layers have in `directory`.
    Result<void> opaque(const std::string& directory);

    // Sets the times of directories, which every entry made below them had changed. Call once, at the end.
    Result<void> finish();

private:
    // The directory at `path`, made with its parents where absent. The descriptor is the cache's.
    Result<int> parent(const std::string& path);
    Result<UniqueFd> resolve(std::string path);
    // A directory that no entry lists, as the first of `lowers` that has one shows it.
    Result<void> make_implicit(int directory, const std::string& name, const std::string& path,
                               const std::vector<int>& lowers);
    enum class Before { absent, whiteout, directory };
    // Frees `name`; tells what was there where that matters for what comes next.
    Result<Before> make_room(int directory, const std::string& name, bool keep_directory);
    void remember(const EntryName& name, const timespec& mtime);

    int root_;
    std::vector<int> lowers_;
    std::string cached_path_;
    UniqueFd cached_;
    std::unordered_map<std::string, timespec> directory_times_;
};

}  // namespace gantry::storage
