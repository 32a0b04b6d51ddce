// A tar stream into a tree of files, by descriptor only: nothing outside the tree's root is ever made, changed or
// opened, whatever the archive says and whoever changes the tree meanwhile.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include <gantry/result.hpp>

#include "core/archive/tar_reader.hpp"

namespace gantry::archive {

struct UnpackOptions {
    // Links in the tree that stand where a directory is wanted: followed within the root, as the owner of that root
    // would, or refused.
    enum class Links { within_root = 1, refused };
    Links links = Links::refused;
    // Whose the files become.
    enum class Owner { archive = 1, mine, given };
    Owner owner = Owner::archive;
    uid_t uid = 0;  // with given
    gid_t gid = 0;
    bool keep_kinds = true;  // a directory does not replace a file, nor a file a directory: an error
    // The name of a member as it shall be here; "" leaves it out, an error ends it all. May be empty: as it is.
    std::function<Result<std::string>(std::string_view)> rename;
    std::int64_t most_members = 4'000'000;
    std::int64_t most_bytes = std::int64_t{256} << 30;
    // GANTRY_DENIED where devices are not to be made.
    bool devices = true;
};

// Reads the archive to its end into `base` ("/a/b"; a directory) within `root` (borrowed). What is there is replaced,
// directories are merged. GANTRY_INVALID: a member whose name climbs out ("..") or whose hard link does, naming it.
Result<void> unpack(TarReader& reader, int root, const std::string& base, const UnpackOptions& options);

}  // namespace gantry::archive
