#include "cgroups.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "cgroup_files.hpp"
#include "device_filter.hpp"
#include "kernel.hpp"
#include "spec.hpp"

namespace gantry::native {
namespace {

// Those of v1 in which every container gets a group; cpuset and hugetlb only when asked, freezer only without v2.
constexpr std::string_view always[] = {"cpu", "cpuacct", "memory", "pids", "devices", "blkio"};

Result<void> make_group(const std::string& mount, const std::string& path) {
    const std::string directory = mount + path;
    for (int attempt = 0; attempt < 16; ++attempt) {
        if (::mkdir(directory.c_str(), 0755) == 0) return {};
        if (errno == EEXIST) return fail(Code::conflict, "cgroup \"" + directory + "\" is there already");
        if (errno != ENOENT) return fail_errno("make cgroup \"" + directory + "\"");
        // A parent is missing, or somebody's removal of the last child took it away just now.
        for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
            if (::mkdir((mount + path.substr(0, slash)).c_str(), 0755) != 0 && errno != EEXIST && errno != ENOENT)
                return fail_errno("make cgroup \"" + mount + path.substr(0, slash) + "\"");
    }
    return fail(Code::retry_later, "cgroup \"" + directory + "\" cannot be made: its parent keeps vanishing");
}

// A cpuset group starts without processors and memory nodes: each level takes over its parent's.
Result<void> inherit_cpuset(const std::string& mount, const std::string& path) {
    std::string parent = mount;
    for (std::size_t begin = 0; begin != std::string::npos;) {
        const std::size_t end = path.find('/', begin + 1);
        const std::string group = mount + path.substr(0, end);
        for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
            GANTRY_TRY(const std::string own, read_at(AT_FDCWD, group + "/" + file));
            if (own.find_first_not_of(" \n") != std::string::npos) continue;
            GANTRY_TRY(const std::string above, read_at(AT_FDCWD, parent + "/" + file));
            GANTRY_CHECK(write_at(AT_FDCWD, group + "/" + file, above));
        }
        parent = group;
        begin = end;
    }
    return {};
}

// Pure v2: all, for limits and statistics alike. Beside v1 only what is asked for: each costs at every start.
Result<void> enable_v2_controllers(const CgroupLayout& layout, const std::string& path, const Resources& resources) {
    GANTRY_TRY(const auto settings, v2_settings(resources));
    std::vector<std::string> wanted;
    for (const std::string& controller : layout.v2_controllers) {
        const bool asked = std::any_of(settings.begin(), settings.end(),
                                       [&](const Setting& s) { return s.controller == controller; }) ||
                           std::any_of(resources.unified.begin(), resources.unified.end(),
                                       [&](const auto& entry) { return entry.first.starts_with(controller + "."); });
        if (layout.v1.empty() || (asked && !layout.v1_with(controller))) wanted.push_back(controller);
    }
    std::string enable;
    for (const std::string& controller : wanted) enable += (enable.empty() ? "+" : " +") + controller;
    if (enable.empty()) return {};
    // The last component is the container's own group; all above it hand the controllers down.
    for (std::size_t slash = 0; slash != std::string::npos; slash = path.find('/', slash + 1)) {
        const std::string file = layout.v2 + path.substr(0, slash) + "/cgroup.subtree_control";
        if (write_at(AT_FDCWD, file, enable)) continue;
        // One that cannot be enabled must not keep the others from it.
        for (const std::string& controller : wanted) (void)write_at(AT_FDCWD, file, "+" + controller);
    }
    return {};
}

}  // namespace

CgroupLayout parse_layout(std::string_view mountinfo) {
    CgroupLayout layout;
    for (std::string_view line : split(mountinfo, '\n')) {
        const auto dash = line.find(" - ");
        if (dash == std::string_view::npos) continue;
        const auto left = split(line.substr(0, dash), ' ');
        const auto right = split(line.substr(dash + 3), ' ');
        if (left.size() < 6 || right.size() < 3 || left[3] != "/") continue;
        const std::string mount(left[4]);
        if (right[0] == "cgroup2" && layout.v2.empty()) layout.v2 = mount;
        if (right[0] != "cgroup") continue;
        CgroupLayout::Hierarchy hierarchy{mount, {}};
        for (std::string_view option : split(right[2], ','))
            if (option != "rw" && option != "ro" && option != "xattr" && option.find('=') == std::string_view::npos)
                hierarchy.controllers.emplace_back(option);
        const bool named = hierarchy.controllers.empty();
        const bool twice = !named && layout.v1_with(hierarchy.controllers[0]);
        if (!named && !twice) layout.v1.push_back(std::move(hierarchy));
    }
    return layout;
}

Result<CgroupLayout> CgroupLayout::detect() {
    GANTRY_TRY(const std::string mounts, read_at(AT_FDCWD, "/proc/self/mountinfo", 16u << 20));
    CgroupLayout layout = parse_layout(mounts);
    if (layout.v2.empty()) return layout;
    GANTRY_TRY(const std::string controllers, read_at(AT_FDCWD, layout.v2 + "/cgroup.controllers"));
    for (std::string_view word : split(controllers, ' ')) {
        while (!word.empty() && word.back() == '\n') word.remove_suffix(1);
        if (!word.empty()) layout.v2_controllers.emplace_back(word);
    }
    return layout;
}

const CgroupLayout::Hierarchy* CgroupLayout::v1_with(std::string_view controller) const {
    for (const Hierarchy& hierarchy : v1)
        if (std::find(hierarchy.controllers.begin(), hierarchy.controllers.end(), controller) !=
            hierarchy.controllers.end())
            return &hierarchy;
    return nullptr;
}

bool CgroupLayout::v2_has(std::string_view controller) const {
    return std::find(v2_controllers.begin(), v2_controllers.end(), controller) != v2_controllers.end();
}

std::vector<const CgroupLayout::Hierarchy*> Cgroups::wanted(const Resources& resources) const {
    std::vector<const CgroupLayout::Hierarchy*> list;
    const auto add = [&](std::string_view controller) {
        const auto* hierarchy = layout_->v1_with(controller);
        if (hierarchy && std::find(list.begin(), list.end(), hierarchy) == list.end()) list.push_back(hierarchy);
    };
    for (std::string_view controller : always) add(controller);
    if (layout_->v2.empty()) add("freezer");
    if (!resources.cpus.empty() || !resources.mems.empty()) add("cpuset");
    if (!resources.huge_pages.empty()) add("hugetlb");
    return list;
}

Result<UniqueFd> Cgroups::create_v2(const Resources& resources) const {
    if (layout_->v2.empty()) return UniqueFd();
    GANTRY_CHECK(make_group(layout_->v2, path_));
    GANTRY_CHECK(enable_v2_controllers(*layout_, path_, resources));
    return open_at(AT_FDCWD, v2_directory(), O_PATH | O_DIRECTORY);
}

Result<std::vector<UniqueFd>> Cgroups::create_v1(const Resources& resources) const {
    std::vector<UniqueFd> files;
    for (const auto* hierarchy : wanted(resources)) {
        GANTRY_CHECK(make_group(hierarchy->mount, path_));
        if (hierarchy == layout_->v1_with("cpuset")) GANTRY_CHECK(inherit_cpuset(hierarchy->mount, path_));
        GANTRY_TRY(UniqueFd file, open_at(AT_FDCWD, v1_directory(*hierarchy) + "/tasks", O_WRONLY));
        files.push_back(std::move(file));
    }
    return files;
}

Result<void> Cgroups::limit(const Resources& resources, std::vector<std::string>& warnings) const {
    GANTRY_TRY(const auto old_style, v1_settings(resources));
    GANTRY_TRY(const auto new_style, v2_settings(resources));
    const auto write = [&](const std::string& directory, const Setting& setting) -> Result<void> {
        auto done = write_at(AT_FDCWD, directory + "/" + setting.file, setting.value);
        if (done) return {};
        const bool absent = done.error().system_errno == ENOENT || done.error().system_errno == EOPNOTSUPP;
        if (!absent) return done;
        const std::string text = "this kernel has no \"" + setting.file + "\"";
        if (setting.missing == Setting::Missing::refuse) return fail(Code::unsupported, text);
        warnings.push_back(text + ": ignored");
        return {};
    };
    for (const Setting& setting : old_style) {
        const auto* hierarchy = layout_->v1_with(setting.controller);
        if (hierarchy)
            GANTRY_CHECK(write(v1_directory(*hierarchy), setting));
        else if (!layout_->v2_has(setting.controller)) {
            if (setting.missing == Setting::Missing::refuse)
                return fail(Code::unsupported, "this kernel has no cgroup controller \"" + setting.controller + "\"");
            warnings.push_back("this kernel has no cgroup controller \"" + setting.controller + "\": ignored");
        }
    }
    for (const Setting& setting : new_style) {
        if (layout_->v1_with(setting.controller)) continue;
        if (layout_->v2_has(setting.controller)) GANTRY_CHECK(write(v2_directory(), setting));
    }
    for (const auto& [file, value] : resources.unified) {
        if (layout_->v2.empty())
            return fail(Code::unsupported, "\"unified\" resource \"" + file + "\" needs cgroup v2");
        GANTRY_CHECK(write(v2_directory(), Setting{"", file, value, Setting::Missing::refuse}));
    }
    return {};
}

Result<void> Cgroups::update(const Resources& resources, std::vector<std::string>& warnings) const {
    // v1 keeps memory at or below memory and swap at every moment: a rise of both begins with the second.
    const auto* memory = layout_->v1_with("memory");
    if (memory && resources.memory_limit > 0 && resources.memory_swap != unset && resources.memory_swap != 0) {
        const auto now = read_number(v1_directory(*memory) + "/memory.memsw.limit_in_bytes");
        if (now && static_cast<std::uint64_t>(resources.memory_limit) > *now)
            GANTRY_CHECK(write_at(AT_FDCWD, v1_directory(*memory) + "/memory.memsw.limit_in_bytes",
                                  std::to_string(resources.memory_swap)));
    }
    if (const auto* cpuset = layout_->v1_with("cpuset"); cpuset &&
                                                         (!resources.cpus.empty() || !resources.mems.empty()) &&
                                                         ::access(v1_directory(*cpuset).c_str(), F_OK) != 0)
        return fail(Code::unsupported, "the container was made without a cpuset; it cannot get one while it runs");
    GANTRY_CHECK(limit(resources, warnings));
    if (!resources.has_devices) return {};
    return limit_devices(resources);
}

Result<void> Cgroups::limit_devices(const Resources& resources) const {
    const DevicePolicy policy = device_policy(resources.devices);
    if (const auto* hierarchy = layout_->v1_with("devices"))
        return apply_device_policy_v1(policy, v1_directory(*hierarchy));
    if (!layout_->v2.empty()) return apply_device_policy_v2(policy, v2_directory());
    return fail(Code::unsupported, "this kernel has no cgroup for devices");
}

Result<Cgroups::Join> Cgroups::open_join() const {
    Join join;
    if (!layout_->v2.empty()) {
        GANTRY_TRY(join.v2, open_at(AT_FDCWD, v2_directory(), O_PATH | O_DIRECTORY));
    }
    for (const auto& hierarchy : layout_->v1) {
        auto file = open_at(AT_FDCWD, v1_directory(hierarchy) + "/tasks", O_WRONLY);
        if (file)
            join.v1.push_back(std::move(file).value());
        else if (file.error().system_errno != ENOENT)
            return std::move(file).error();
    }
    return join;
}

std::vector<Cgroups::View> Cgroups::views() const {
    std::vector<View> views;
    for (const auto& hierarchy : layout_->v1) {
        if (::access(v1_directory(hierarchy).c_str(), F_OK) != 0) continue;
        View view{"", v1_directory(hierarchy), {}};
        for (const std::string& controller : hierarchy.controllers)
            view.name += (view.name.empty() ? "" : ",") + controller;
        if (hierarchy.controllers.size() > 1) view.aliases = hierarchy.controllers;
        views.push_back(std::move(view));
    }
    if (!layout_->v2.empty()) views.push_back({"unified", v2_directory(), {}});
    return views;
}

std::string Cgroups::pure_v2() const { return layout_->v1.empty() ? v2_directory() : ""; }

Result<void> join_v1(const std::vector<UniqueFd>& files) {
    // "0" in "tasks" moves the calling thread without the lock that stops every fork and exec on the machine, which a
    // pid or cgroup.procs would take: 6 microseconds instead of up to 11 milliseconds.
    for (const UniqueFd& file : files)
        if (::write(file.get(), "0", 1) < 0) return fail_errno("join a cgroup");
    return {};
}

Result<std::vector<int>> Cgroups::pids() const {
    std::string directory = v2_directory();
    if (directory.empty())
        for (const char* controller : {"pids", "memory", "freezer"})
            if (const auto* hierarchy = layout_->v1_with(controller); hierarchy && directory.empty())
                directory = v1_directory(*hierarchy);
    std::vector<int> pids;
    if (directory.empty()) return pids;
    GANTRY_CHECK(collect_pids(directory, pids));
    std::sort(pids.begin(), pids.end());
    return pids;
}

Result<Json> Cgroups::stats() const {
    Json out = Json::object();
    out["cgroup_version"] = layout_->v1.empty() ? 2 : 1;
    if (layout_->v1.empty()) {
        v2_stats(v2_directory(), out);
        return out;
    }
    const auto directory = [&](std::string_view controller) {
        const auto* hierarchy = layout_->v1_with(controller);
        return hierarchy ? v1_directory(*hierarchy) : std::string();
    };
    v1_stats({directory("cpu"), directory("cpuacct"), directory("memory"), directory("pids"), directory("blkio")}, out);
    return out;
}

}  // namespace gantry::native
