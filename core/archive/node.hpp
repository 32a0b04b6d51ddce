// Files of a tree reached by descriptor, never as a path: whoever owns the tree may change it meanwhile.
#pragma once
#include <sys/stat.h>

#include <map>
#include <string>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::archive {

// A name in a directory, whatever it is: O_PATH | O_NOFOLLOW.
Result<UniqueFd> open_node(int directory, const std::string& name);
// A regular file or directory that open_node() gave, for reading: the very one, whatever has its name by now.
Result<UniqueFd> reopen(int node, int flags);
Result<std::string> link_target(int node);
// Names in a directory, sorted, without "." and "..".
Result<std::vector<std::string>> names_in(int directory);
// Extended attributes of a regular file or directory that an archive may carry (user.*, security.capability).
Result<std::map<std::string, std::string>> portable_xattrs(int file);
bool portable_xattr(std::string_view name);
// Bytes of all files below, each counted once; neither links nor mounts are followed. `directory`: open for reading.
Result<std::int64_t> tree_size(int directory);
// Deletes what `name` is in `directory`, a tree too, without crossing a mount or following a link. Gone is success.
Result<void> remove_node(int directory, const std::string& name);

}  // namespace gantry::archive
