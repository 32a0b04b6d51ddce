// Makes the entries of one layer below a directory descriptor. The names come from a hostile archive: parents are
// resolved inside the root by the kernel, last components are never followed, and all attributes are set through
// descriptors or with AT_SYMLINK_NOFOLLOW. Nobody else may work in the tree meanwhile.
#pragma once
#include <sys/types.h>
#include <time.h>

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "plugins/storage/common/attributes.hpp"
#include "plugins/storage/common/implied.hpp"
#include "plugins/storage/common/tar_name.hpp"

namespace gantry::storage {

// What a layer's directory holds: its own entries and marks for what it deletes, as the upper directory of an overlay, or
// all that is there, with the layers below; then what is deleted is deleted.
enum class Form { upper = 1, whole };

class LayerWriter {
public:
    // `root` and `lowers` (the roots of the layers below, topmost first: where directories that the archive does
    // not list take their attributes from) are borrowed.
    // In the form `whole` there are no lowers.
    LayerWriter(int root, std::vector<int> lowers, Form form = Form::upper)
        : root_(root), lowers_(std::move(lowers)), form_(form) {}

    // Each replaces what the layer had at `name`; a directory over a directory keeps the content.
    Result<void> directory(const EntryName& name, const Attributes& attributes);
    // An empty file, open for writing; give it to finish_file when its content is there. `mode`: what it will have.
    Result<UniqueFd> file(const EntryName& name, mode_t mode);
    Result<void> finish_file(const UniqueFd& file, const Attributes& attributes);
    Result<void> symlink(const EntryName& name, const std::string& target, const Attributes& attributes);
    Result<void> hardlink(const EntryName& name, const EntryName& target);
    // FIFO, character or block device; `type` is S_IFIFO, S_IFCHR or S_IFBLK.
    Result<void> node(const EntryName& name, mode_t type, dev_t device, const Attributes& attributes);

    // Hides `target` beside `name` in lower layers. What this layer itself has there stays.
    Result<void> whiteout(const std::string& directory, const std::string& target);
    // Hides all that lower layers have in `directory`.
    Result<void> opaque(const std::string& directory);

    // Directories that had to be made although no entry was for them.
    Implied& implied() { return implied_; }

    // Sets the times of directories, which every entry made below them had changed. Call once, at the end.
    Result<void> finish();

private:
    // A directory and its path below the root, on which no link lies.
    struct Place {
        UniqueFd fd;
        std::string path;
    };
    // The directory at `path`, made with its parents where absent. The descriptor is the cache's.
    Result<int> parent(const std::string& path);
    Result<Place> resolve(const std::string& path);
    Result<Place> top();
    // Form::whole: what is made in a directory that the archive does not list leaves its time as the layers below had it.
    Result<void> keep_time(const Place& directory);
    // A directory that no entry lists, as the first of `lowers` that has one shows it.
    Result<void> make_implicit(int directory, const std::string& name, const std::string& path,
                               const std::vector<int>& lowers);
    enum class Before { absent, whiteout, directory };
    // Frees `name`; tells what was there where that matters for what comes next.
    Result<Before> make_room(int directory, const std::string& name, bool keep_directory);
    void remember(const std::string& path, const timespec& mtime);
    // Form::whole: what this layer has made is told from what was there before.
    Result<void> made(int directory, const std::string& name);
    // Deletes what was there before, below `directory` and (where nothing is left in it) itself; gives whether all is gone.
    Result<bool> remove_older(int directory, const std::string& name, std::size_t depth);
    Result<void> remove_older_in(int directory, std::size_t depth);

    int root_;
    std::vector<int> lowers_;
    Form form_;
    std::unordered_set<ino_t> made_;  // Form::whole
    std::string cached_path_;         // as the archive names it
    Place cached_;
    // By the path on which no link lies: what is set at the end is set on this directory, or, where a later entry has
    // replaced part of the way, on none.
    std::unordered_map<std::string, timespec> directory_times_;
    Implied implied_;
};

}  // namespace gantry::storage
