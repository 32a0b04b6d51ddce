#include "core/container/capabilities.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <set>

#include "core/base/text.hpp"

namespace gantry::container {
namespace {

// By number, as in linux/capability.h of Linux 5.9 and later.
constexpr std::string_view names[] = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};

std::string canonical(std::string_view name) {
    std::string upper(name);
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return upper == "ALL" || upper.starts_with("CAP_") ? upper : "CAP_" + upper;
}

Result<void> check_known(const std::string& name) {
    if (name == "ALL" || std::find(std::begin(names), std::end(names), name) != std::end(names)) return {};
    std::string text = "invalid capability: \"" + name + "\"";
    std::vector<std::string> known(std::begin(names), std::end(names));
    if (std::string near = nearest(name, known); !near.empty()) text += ", did you mean \"" + near + "\"?";
    return fail(Code::invalid, text);
}

}  // namespace

const std::vector<std::string>& default_capabilities() {
    static const std::vector<std::string> set = {"CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",    "CAP_FSETID",
                                                 "CAP_KILL",    "CAP_NET_BIND_SERVICE", "CAP_SETFCAP",   "CAP_SETGID",
                                                 "CAP_SETPCAP", "CAP_SETUID",           "CAP_SYS_CHROOT"};
    return set;
}

const std::vector<std::string>& all_capabilities() {
    static const std::vector<std::string> set = [] {
        std::vector<std::string> found;
        for (unsigned long number = 0; number < std::size(names); ++number)
            if (::prctl(PR_CAPBSET_READ, number) == 1) found.emplace_back(names[number]);
        std::sort(found.begin(), found.end());
        return found;
    }();
    return set;
}

Result<std::vector<std::string>> effective_capabilities(const std::vector<std::string>& base,
                                                        const std::vector<std::string>& add,
                                                        const std::vector<std::string>& drop,
                                                        std::vector<std::string>* withheld) {
    std::set<std::string> set(base.begin(), base.end());
    std::set<std::string> dropped;
    bool drop_all = false, add_all = false;
    for (const auto& item : drop) {
        std::string name = canonical(item);
        GANTRY_CHECK(check_known(name));
        if (name == "ALL") drop_all = true;
        dropped.insert(name);
    }
    for (const auto& item : add) {
        std::string name = canonical(item);
        GANTRY_CHECK(check_known(name));
        if (name == "ALL") add_all = true;
    }
    // Docker's order: ALL first, in either list, and single names after it.
    if (drop_all) set.clear();
    if (add_all) set.insert(all_capabilities().begin(), all_capabilities().end());
    for (const auto& name : dropped) set.erase(name);
    for (const auto& item : add)
        if (std::string name = canonical(item); name != "ALL" && !(dropped.contains(name) && !drop_all))
            set.insert(name);
    std::vector<std::string> result;
    const auto& possible = all_capabilities();
    for (const auto& name : set) {
        if (std::binary_search(possible.begin(), possible.end(), name))
            result.push_back(name);
        else if (withheld)
            withheld->push_back(name);
    }
    return result;
}

}  // namespace gantry::container
