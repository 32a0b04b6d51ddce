// Thin wrappers over system calls that libc does not wrap, or wraps without descriptors. No container words.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::native {

enum class Links { follow, refuse };

// Opens `path` as this process would, but by no magic link on the way (openat2: RESOLVE_NO_MAGICLINKS): /proc/self/exe and
// /proc/self/fd/N lead to what is not below the root, and are ELOOP.
Result<UniqueFd> open_plainly(const std::string& path, int flags);
// Opens `path` as a process whose root is `root` would (openat2: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS). `flags`
// as in open(2); O_CLOEXEC added. Links::refuse: a symbolic link anywhere on the way is ELOOP.
Result<UniqueFd> open_in_root(int root, std::string_view path, int flags, mode_t mode = 0, Links links = Links::follow);
// Makes directory `path` and its parents inside `root` and opens it (O_PATH | O_DIRECTORY).
Result<UniqueFd> make_directories_in_root(int root, std::string_view path, mode_t mode = 0755,
                                          Links links = Links::follow);
// Makes an empty file at `path` inside `root`, its parents too, unless something is there; opens it (O_PATH).
Result<UniqueFd> make_file_in_root(int root, std::string_view path, Links links = Links::follow);
// "/a/../b//c/." -> "b/c": lexically clean and relative; ".." never climbs above the start. "" for the root itself.
std::string clean_relative(std::string_view path);

// open(2) below a directory, O_CLOEXEC added. For paths of the host and of kernel file systems only.
Result<UniqueFd> open_at(int directory, const std::string& name, int flags, mode_t mode = 0);
// A small file of a kernel file system, `limit` bytes at most.
Result<std::string> read_at(int directory, const std::string& name, std::size_t limit = 1u << 20);
// One write(2) of the whole text, as kernel files want it.
Result<void> write_at(int directory, const std::string& name, std::string_view text);
// Writes all of `text` to a descriptor.
Result<void> write_all(int fd, std::string_view text);

// True where the file system behind `fd` has this magic number (statfs(2)).
bool is_filesystem(int fd, std::uint64_t magic);
// The host's /dev/null, verified to be character device 1:3.
Result<UniqueFd> open_null(int flags);

// Closes every descriptor of this process but these.
void close_all_but(std::vector<int> keep);

// fork(2) by clone3(2) with namespaces; `cgroup` a v2 directory or -1. 0 in the child. `pidfd` may be null.
Result<pid_t> clone_process(std::uint64_t flags, UniqueFd* pidfd, int cgroup = -1);
// Waits for this child and gives its wait status.
int reap(pid_t pid);
// Waits until this child is dead but leaves its status for the one who collects it.
void await_death(pid_t pid);

std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace gantry::native
