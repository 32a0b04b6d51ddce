#include "core/container/capabilities.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <set>

#include <gantry/capabilities.hpp>

#include "core/base/text.hpp"

namespace gantry::container {
namespace {

std::string canonical(std::string_view name) {
    std::string upper(name);
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return upper == "ALL" || upper.starts_with("CAP_") ? upper : "CAP_" + upper;
}

Result<void> check_known(const std::string& name) {
    if (name == "ALL" ||
        std::find(std::begin(linux_capabilities), std::end(linux_capabilities), name) != std::end(linux_capabilities))
        return {};
    std::string text = "invalid capability: \"" + name + "\"";
    std::vector<std::string> known(std::begin(linux_capabilities), std::end(linux_capabilities));
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
        for (unsigned long number = 0; number < std::size(linux_capabilities); ++number)
            if (::prctl(PR_CAPBSET_READ, number) == 1) found.emplace_back(linux_capabilities[number]);
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
