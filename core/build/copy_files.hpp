// COPY and ADD: selected files into a tree that is changed. All paths are resolved by descriptor inside the two roots.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/build/cancel.hpp"
#include "core/build/dockerignore.hpp"
#include "core/build/file_mode.hpp"
#include "core/build/graph.hpp"
#include "core/build/select.hpp"
#include "core/build/value.hpp"

namespace gantry::build {

// Of all that `selected` takes: paths, types, modes, owners unless `action` sets them, contents, targets of links; no
// times. "sha256:..".
Result<std::string> digest_of_files(const Tree& tree, const std::vector<Selected>& selected, const CopyAction& action,
                                    const Cancel& cancel);

struct Ids {
    std::uint32_t uid = 0, gid = 0;
};

class FileCopier {
public:
    // `root`: of the tree that is changed, borrowed. GANTRY_INVALID: an owner that is not there, a malformed mode or
    // pattern.
    static Result<FileCopier> make(int root, const Owner& owner, const std::string& mode,
                                   const std::vector<std::string>& exclude, const Cancel& cancel);
    // Docker's rules: a directory's content goes into the destination; a file becomes it, or goes into it where it is a
    // directory, ends in "/" or gets several.
    Result<void> copy(const CopyAction& action, const std::vector<Selected>& selected);
    Result<void> make_directory(const std::string& path);
    std::int64_t bytes() const { return bytes_; }

private:
    FileCopier(int root, const Cancel& cancel) : root_(root), cancel_(cancel) {}
    Result<void> copy_one(const CopyAction& action, const Selected& source, bool into);
    Result<void> unpack(const std::string& destination, int file);
    Result<UniqueFd> directory(const std::string& path);
    Result<void> copy_tree(int from, int to, const std::string& place, const std::string& relative,
                           const IgnoreMatcher::Verdict* above, int depth);
    Result<void> copy_entry(int from, const std::string& name, int to, const std::string& new_name,
                            const std::string& place);
    Result<void> copy_opened(int file, int to, const std::string& name, const std::string& place);
    Result<void> make_room(int to, const std::string& name, const std::string& place);
    Result<void> put_file(const std::string& destination, const CopyAction::InlineFile& file, bool into);
    Ids ids_of(std::uint32_t uid, std::uint32_t gid) const { return owner_ ? *owner_ : Ids{uid, gid}; }

    int root_;
    const Cancel& cancel_;
    std::optional<Ids> owner_;
    FileMode mode_;
    IgnoreMatcher exclude_;
    std::map<std::pair<dev_t, ino_t>, UniqueFd> linked_;  // files with several names: the first copy of each
    std::int64_t bytes_ = 0;
};

}  // namespace gantry::build
