// As whom a process of a container runs, and with what: user, capabilities, seccomp profile.
#include <fcntl.h>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/container/capabilities.hpp"
#include "core/container/entry.hpp"
#include "core/container/rootfs_view.hpp"
#include "core/container/seccomp_profile.hpp"
#include "core/container/spec.hpp"

namespace gantry::container {

Result<std::vector<std::string>> ContainerService::capabilities_of(const Container& c) {
    if (c.host_config["Privileged"].get<bool>()) return all_capabilities();
    auto strings = [&](const char* key) {
        return c.host_config[key].is_array() ? c.host_config[key].get<std::vector<std::string>>()
                                             : std::vector<std::string>{};
    };
    return effective_capabilities(default_capabilities(), strings("CapAdd"), strings("CapDrop"), nullptr);
}

Result<std::string> ContainerService::seccomp_for(const Container& c, const std::vector<std::string>& capabilities,
                                                  bool privileged) {
    GANTRY_TRY(SecurityOptions security, read_security_options(c.host_config));
    if (privileged || security.unconfined_seccomp) return std::string();
    // The default profile is the same for the same capabilities; most containers share one.
    std::string cache_key;
    if (security.seccomp_profile.is_null()) {
        cache_key = "default " + join(capabilities, " ");
        std::lock_guard lock(index_mutex_);
        if (auto found = seccomp_cache_.find(cache_key); found != seccomp_cache_.end()) return found->second;
    }
    SeccompProfile profile;
    if (security.seccomp_profile.is_null())
        profile = default_seccomp(capabilities);
    else {
        GANTRY_TRY(profile, resolve_seccomp(security.seccomp_profile, capabilities));
    }
    GANTRY_CHECK(launcher_->warm_seccomp(profile.digest, profile.oci));
    std::lock_guard lock(index_mutex_);
    if (!cache_key.empty()) seccomp_cache_[cache_key] = profile.digest;
    return profile.digest;
}

Result<User> ContainerService::resolve_user(Entry& entry, const std::string& user, const Json& root_plan) {
    const Container& c = entry.record;
    std::vector<std::string> more = c.host_config["GroupAdd"].is_array()
                                        ? c.host_config["GroupAdd"].get<std::vector<std::string>>()
                                        : std::vector<std::string>{};
    // An untouched container has its image's passwd file.
    bool untouched = c.state.started_ns == 0 && c.mounts.empty();
    std::string key = c.image_id + "\n" + user + "\n" + join(more, ",");
    if (untouched) {
        std::lock_guard lock(index_mutex_);
        if (auto found = user_cache_.find(key); found != user_cache_.end()) return found->second;
    }
    GANTRY_TRY(UniqueFd root, open_rootfs(root_plan, Access::read_only));
    GANTRY_TRY(User result, look_up_user(root.get(), user, more));
    if (untouched) {
        std::lock_guard lock(index_mutex_);
        if (user_cache_.size() > 1024) user_cache_.clear();
        user_cache_[key] = result;
    }
    return result;
}

Result<ContainerService::Identity> ContainerService::identity_of(Entry& entry, const Monitor& monitor,
                                                                 const std::string& wanted_user, bool privileged) {
    Container c;
    Identity identity;
    bool known = false;
    {
        std::lock_guard lock(entry.mutex);
        c = entry.record;
        known = entry.user_known;
        identity.user = entry.user;
        identity.seccomp = entry.seccomp;
    }
    if (!wanted_user.empty() || !known) {
        // The root as the container has it now. The monitor holds its first process, so the number is still that one's.
        auto root = open_file("/proc/" + std::to_string(monitor.pid()) + "/root", O_PATH | O_DIRECTORY);
        if (!root) return std::move(root).error();
        std::vector<std::string> more = c.host_config["GroupAdd"].is_array()
                                            ? c.host_config["GroupAdd"].get<std::vector<std::string>>()
                                            : std::vector<std::string>{};
        GANTRY_TRY(
            identity.user,
            look_up_user(root->get(), wanted_user.empty() ? c.config["User"].get<std::string>() : wanted_user, more));
    }
    if (privileged) {
        identity.capabilities = all_capabilities();
        identity.seccomp.clear();
        return identity;
    }
    GANTRY_TRY(identity.capabilities, capabilities_of(c));
    if (!known) {
        // After a restart of the engine: the same profile again, which the launcher has or compiles.
        GANTRY_TRY(identity.seccomp, seccomp_for(c, identity.capabilities, c.host_config["Privileged"].get<bool>()));
        if (wanted_user.empty()) {
            std::lock_guard lock(entry.mutex);
            entry.user = identity.user;
            entry.seccomp = identity.seccomp;
            entry.user_known = true;
        }
    }
    return identity;
}

}  // namespace gantry::container
