// A container's file system as its processes see it, volumes and host directories included, reached by descriptor.
// Source: open_tree(2), move_mount(2), mount_setattr(2), pidfd_open(2).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::container {

class ContainerRoot {
public:
    // What is to be mounted at `destination`: a directory, a file or a detached mount.
    struct Attachment {
        UniqueFd source;
        std::string destination;
        bool read_only = false, recursive = true;
    };

    // The root of the process `pid`, which is the first one of container `id`. GANTRY_CONFLICT: it has ended.
    static Result<ContainerRoot> of_process(int pid, const std::string& id);
    // `root` (a directory or a detached mount) with `attachments`, parents first, in a mount namespace of its own that
    // no process is in: the host never sees a mount of it, and all is gone with the object. `anchor`: a directory of the
    // host that is mounted over in that namespace.
    static Result<ContainerRoot> composed(UniqueFd root, bool read_only, std::vector<Attachment> attachments,
                                          const std::string& anchor);

    int fd() const { return root_.get(); }
    // Where what `fd` refers to lies below the root: "/a/b".
    Result<std::string> path_of(int fd) const;

private:
    UniqueFd root_, namespace_;
};

// Makes what is missing of the mount points of `attachments` in `root`: a file for a file, else a directory. Not those
// below another attachment: they are in what is mounted there.
Result<void> make_mount_points(int root, const std::vector<ContainerRoot::Attachment>& attachments);
// Whether all are there.
bool has_mount_points(int root, const std::vector<ContainerRoot::Attachment>& attachments);

// Whether a descriptor lies on a file system that the kernel makes up (proc, sysfs, cgroup, ...): nothing to copy.
bool is_kernel_filesystem(int fd);

}  // namespace gantry::container
