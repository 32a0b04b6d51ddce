// A file's content and its extended attributes, from one descriptor to another.
#pragma once
#include <sys/types.h>

#include <string>

#include <gantry/result.hpp>

namespace gantry {

// All extended attributes but overlayfs's own. `name` is for messages.
Result<void> copy_attributes(int from, int to, const std::string& name);
// `size` bytes into an empty file, by reflink where the file system can; holes stay holes.
Result<void> copy_content(int from, int to, off_t size, const std::string& name);

}  // namespace gantry
