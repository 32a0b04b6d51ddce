// The container's root: its mount from a layer driver's plan, and the change to it. It is mounted only inside the
// container's mount namespace, so that the host's mountinfo never shows it.
#pragma once
#include <string>
#include <vector>

#include <gantry/layer.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::native {

// The tree of a plan, attached nowhere. Code::unsupported with errno EOPNOTSUPP: this kernel can make it only with
// mount(2): mount_root_by_path.
Result<UniqueFd> make_root_tree(const std::vector<MountPlan>& plan);
// For kernels before 6.5: overlay with "lowerdir=a:b" by mount(2) on `place`, in this mount namespace; opens it.
Result<UniqueFd> mount_root_by_path(const std::vector<MountPlan>& plan, const std::string& place);
// The text for mount(2); names with ":", "," or "\" are escaped. For tests too.
std::string overlay_options(const MountPlan& plan, const std::string& relative_to);

// Cuts this (new) mount namespace from the host's: nothing done here is seen there.
Result<void> isolate_mounts();
// Makes `root`, an attached mount, this process's root, and lets go of the old one with all that was mounted there.
Result<void> enter_root(int root);

}  // namespace gantry::native
