// Control groups of one container, on cgroup v1, v2 and the mix of both. Per controller the version that has it is
// used; kill, freeze and the process list come from the v2 tree wherever there is one.
#pragma once
#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::native {

struct Resources;

// What this machine has mounted; found once.
struct CgroupLayout {
    struct Hierarchy {
        std::string mount;  // "/sys/fs/cgroup/cpu,cpuacct"
        std::vector<std::string> controllers;
    };
    std::vector<Hierarchy> v1;
    std::string v2;  // the v2 tree's mount point, "" for none
    std::vector<std::string> v2_controllers;

    static Result<CgroupLayout> detect();
    // nullptr: no v1 hierarchy has it.
    const Hierarchy* v1_with(std::string_view controller) const;
    bool v2_has(std::string_view controller) const;
};

// Reads the text of /proc/self/mountinfo.
CgroupLayout parse_layout(std::string_view mountinfo);

// One value to write.
struct Setting {
    std::string controller, file, value;
    enum class Missing { refuse, warn } missing = Missing::refuse;  // where the kernel has no such file
};
// The settings that stand for `resources` (devices excepted), in the order in which they must be written.
Result<std::vector<Setting>> v1_settings(const Resources& resources);
Result<std::vector<Setting>> v2_settings(const Resources& resources);

class Cgroups {
public:
    Cgroups() = default;
    // `path` begins with "/", below the roots of the hierarchies. `layout` must outlive this.
    Cgroups(const CgroupLayout* layout, std::string path) : layout_(layout), path_(std::move(path)) {}
    const std::string& path() const { return path_; }
    explicit operator bool() const { return layout_ != nullptr; }

    // Makes the v2 group and opens it; an empty descriptor where there is no v2 tree.
    Result<UniqueFd> create_v2(const Resources& resources) const;
    // Makes the groups of the v1 hierarchies that matter and opens the file of each by which a single-threaded
    // process joins by writing "0".
    Result<std::vector<UniqueFd>> create_v1(const Resources& resources) const;
    // Writes limits. `warnings`: what the kernel does not have and can be done without.
    Result<void> limit(const Resources& resources, std::vector<std::string>& warnings) const;
    // The same for a container that runs: memory limits in the order that the kernel takes.
    Result<void> update(const Resources& resources, std::vector<std::string>& warnings) const;
    // Device access: the rules of `resources` on top of "nothing but the standard devices".
    Result<void> limit_devices(const Resources& resources) const;
    // The descriptors with which a process joins groups that are there: a v2 directory (or none) and v1 files.
    struct Join {
        UniqueFd v2;
        std::vector<UniqueFd> v1;
    };
    Result<Join> open_join() const;
    // The groups that are there, as directories by the names under which a container sees them.
    struct View {
        std::string name, directory;  // "memory", "/sys/fs/cgroup/memory/gantry/ID"
        std::vector<std::string> aliases;
    };
    std::vector<View> views() const;
    // The container's v2 directory where v2 is all there is, else "".
    std::string pure_v2() const;

    Result<void> freeze() const;
    Result<void> thaw() const;
    Result<std::vector<int>> pids() const;
    Result<Json> stats() const;
    // Kills every process and removes the groups, waiting at most two seconds. Gone is success.
    Result<void> remove() const;
    // remove, and the processes found in the groups are dead: none still holds a mount or an address.
    Result<void> sweep() const;

private:
    std::string v2_directory() const { return layout_->v2.empty() ? "" : layout_->v2 + path_; }
    std::string v1_directory(const CgroupLayout::Hierarchy& h) const { return h.mount + path_; }
    std::vector<const CgroupLayout::Hierarchy*> wanted(const Resources& resources) const;
    Result<void> kill_all() const;
    bool killed_all() const;

    const CgroupLayout* layout_ = nullptr;
    std::string path_;
};

// A process that holds the descriptor of open_join() enters the group: the cheap way, one thread, itself.
Result<void> join_v1(const std::vector<UniqueFd>& files);

// Statistics of each version (cgroups_v1.cpp, cgroups_v2.cpp); directories are "" where a controller is not there.
struct StatDirectories {
    std::string cpu, cpuacct, memory, pids, blkio;
};
void v1_stats(const StatDirectories& directories, Json& out);
void v2_stats(const std::string& directory, Json& out);

}  // namespace gantry::native
