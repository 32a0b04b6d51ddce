// A file or a tree of files into a tar stream, by descriptor only.
#pragma once
#include <functional>
#include <string>

#include <gantry/result.hpp>

#include "core/archive/tar_writer.hpp"

namespace gantry::archive {

struct PackOptions {
    enum class Owner { as_is = 1, root };  // root: every member is written as uid and gid 0
    Owner owner = Owner::as_is;
    std::function<bool()> cancelled;  // asked now and then; may be empty
    // Whether what is mounted on a directory below the first node is looked into; the directory itself is written all the
    // same. Empty: always.
    std::function<bool(int directory)> enter_mount;
};

// What `node` (O_PATH or open, borrowed) is, as the member `name`: a file, a link itself, or a directory with all that
// is below, through mounts, sorted by name. Links are never followed; sockets are left out; of a file with several
// names the second and later are hard links. A directory's members are named name + "/" + their own, with "" for
// `name`: their own alone, and the directory itself is left out.
Result<void> pack(TarWriter& writer, int node, const std::string& name, const PackOptions& options);

}  // namespace gantry::archive
