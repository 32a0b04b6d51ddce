// Whole files, directories and descriptors. Every open is close-on-exec.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry {

// open(2) with O_CLOEXEC. Errors name the path.
Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0600);
// The whole file, `limit` bytes at most (GANTRY_EXHAUSTED beyond).
Result<std::string> read_file(const std::string& path, std::size_t limit = 16u << 20);
// What is left to read behind `fd`, `limit` bytes at most.
Result<std::string> read_all(int fd, std::size_t limit = 16u << 20);
// All of `data`, through short writes and EINTR.
Result<void> write_all(int fd, std::string_view data);
enum class Sync { no, yes };
// Replaces the file in one step (temporary name beside it, rename(2)): a reader or a crash sees the old or the new
// content, never part. Sync::yes: on disk, with its directory, when it returns.
Result<void> write_file_atomic(const std::string& path, std::string_view data, mode_t mode = 0600,
                               Sync sync = Sync::no);
// A new or truncated file with this content; not atomic: for files nobody reads yet.
Result<void> write_file(const std::string& path, std::string_view data, mode_t mode = 0600);
// Makes the directory and its parents. Present is success.
Result<void> make_directories(const std::string& path, mode_t mode = 0700);
// Deletes the tree, never crossing a mount and never following a link (descriptors only). Gone is success.
Result<void> remove_tree(const std::string& path);
// Names in a directory, without "." and "..", sorted.
Result<std::vector<std::string>> list_directory(const std::string& path);
bool path_exists(const std::string& path);

}  // namespace gantry
