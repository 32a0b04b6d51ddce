// Standing still and the end: freeze, thaw, kill, remove.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <functional>

#include "cgroup_files.hpp"
#include "cgroups.hpp"
#include "kernel.hpp"

namespace gantry::native {
namespace {

// Calls `done` until it is true or `limit_ms` has passed, first at once, then at growing intervals.
bool wait_until(int limit_ms, const std::function<bool()>& done) {
    long pause_us = 50, waited_us = 0;
    while (!done()) {
        if (waited_us >= limit_ms * 1000L) return false;
        const timespec pause{0, pause_us * 1000};
        ::nanosleep(&pause, nullptr);
        waited_us += pause_us;
        if (pause_us < 10000) pause_us += pause_us / 2;
    }
    return true;
}

bool v2_is_frozen(const std::string& directory, bool wanted) {
    for (const auto& [name, value] : read_table(directory + "/cgroup.events"))
        if (name == "frozen") return (value == 1) == wanted;
    return false;
}

bool v1_is(const std::string& file, std::string_view wanted) {
    const auto text = read_at(AT_FDCWD, file);
    return text && text->starts_with(wanted);
}

constexpr int freeze_limit_ms = 10000, remove_limit_ms = 2000;

}  // namespace

Result<void> Cgroups::freeze() const {
    if (!layout_->v2.empty()) {
        GANTRY_CHECK(write_at(AT_FDCWD, v2_directory() + "/cgroup.freeze", "1"));
        if (wait_until(freeze_limit_ms, [&] { return v2_is_frozen(v2_directory(), true); })) return {};
        (void)write_at(AT_FDCWD, v2_directory() + "/cgroup.freeze", "0");
        return fail(Code::deadline, "the processes of cgroup \"" + path_ + "\" do not stand still");
    }
    const auto* freezer = layout_->v1_with("freezer");
    if (!freezer) return fail(Code::unsupported, "this kernel has no cgroup freezer");
    const std::string file = v1_directory(*freezer) + "/freezer.state";
    // A process in the middle of vfork keeps v1 in FREEZING until it is asked again.
    const bool still =
        wait_until(freeze_limit_ms, [&] { return write_at(AT_FDCWD, file, "FROZEN") && v1_is(file, "FROZEN"); });
    if (still) return {};
    (void)write_at(AT_FDCWD, file, "THAWED");
    return fail(Code::deadline, "the processes of cgroup \"" + path_ + "\" do not stand still");
}

Result<void> Cgroups::thaw() const {
    if (!layout_->v2.empty()) {
        GANTRY_CHECK(write_at(AT_FDCWD, v2_directory() + "/cgroup.freeze", "0"));
        (void)wait_until(freeze_limit_ms, [&] { return v2_is_frozen(v2_directory(), false); });
        return {};
    }
    const auto* freezer = layout_->v1_with("freezer");
    if (!freezer) return fail(Code::unsupported, "this kernel has no cgroup freezer");
    return write_at(AT_FDCWD, v1_directory(*freezer) + "/freezer.state", "THAWED");
}

Result<void> Cgroups::kill_all() const {
    if (!layout_->v2.empty() && ::access((v2_directory() + "/cgroup.kill").c_str(), W_OK) == 0)
        return write_at(AT_FDCWD, v2_directory() + "/cgroup.kill", "1");
    // Frozen, they cannot fork away from under the list; the signals act when they thaw.
    const auto* freezer = layout_->v1_with("freezer");
    const std::string file = freezer ? v1_directory(*freezer) + "/freezer.state" : "";
    if (!layout_->v2.empty())
        (void)write_at(AT_FDCWD, v2_directory() + "/cgroup.freeze", "1");
    else if (freezer)
        (void)write_at(AT_FDCWD, file, "FROZEN");
    GANTRY_TRY(const auto list, pids());
    for (const int pid : list) (void)::kill(pid, SIGKILL);
    if (!layout_->v2.empty())
        (void)write_at(AT_FDCWD, v2_directory() + "/cgroup.freeze", "0");
    else if (freezer)
        (void)write_at(AT_FDCWD, file, "THAWED");
    return {};
}

bool Cgroups::killed_all() const {
    const auto list = pids();
    if (!list || list->empty()) return true;
    (void)kill_all();
    return false;
}

Result<void> Cgroups::remove() const {
    if (!layout_) return {};
    (void)wait_until(remove_limit_ms, [&] { return killed_all(); });
    std::vector<std::string> mounts;
    for (const auto& hierarchy : layout_->v1) mounts.push_back(hierarchy.mount);
    if (!layout_->v2.empty()) mounts.push_back(layout_->v2);
    Error first;
    bool failed = false;
    for (const std::string& mount : mounts) {
        Result<bool> gone = false;
        const bool done = wait_until(remove_limit_ms, [&] {
            gone = remove_groups(mount + path_);
            return !gone || *gone;
        });
        if (done && gone) {
            // Parents that we made go with the last child; a parent in use refuses.
            for (auto slash = path_.rfind('/'); slash != 0 && slash != std::string::npos;
                 slash = path_.rfind('/', slash - 1))
                if (::rmdir((mount + path_.substr(0, slash)).c_str()) != 0) break;
            continue;
        }
        if (!failed)
            first = gone ? fail(Code::busy, "cgroup \"" + mount + path_ + "\" still has processes") : gone.error();
        failed = true;
    }
    if (failed) return first;
    return {};
}

Result<void> Cgroups::sweep() const {
    if (!layout_) return {};
    GANTRY_TRY(const auto list, pids());
    std::vector<UniqueFd> processes;
    for (const int pid : list)
        if (UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); process)
            processes.push_back(std::move(process));
    GANTRY_CHECK(remove());
    // A process leaves its group before the last of it is gone.
    for (const UniqueFd& process : processes) {
        pollfd dead{process.get(), POLLIN, 0};
        int ready = 0;
        while ((ready = ::poll(&dead, 1, remove_limit_ms)) < 0 && errno == EINTR) continue;
        if (ready == 0) return fail(Code::deadline, "a process of cgroup \"" + path_ + "\" does not end");
    }
    return {};
}

}  // namespace gantry::native
