#include "core/container/seccomp_profile.hpp"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>

#include "core/base/text.hpp"
#include "core/container/seccomp_rules.hpp"
#include "core/image/digest.hpp"

namespace gantry::container {
namespace {

#if defined(__x86_64__)
constexpr std::string_view machine_docker = "amd64";
const std::vector<std::string> machine_architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#elif defined(__aarch64__)
constexpr std::string_view machine_docker = "arm64";
const std::vector<std::string> machine_architectures = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
#elif defined(__riscv)
constexpr std::string_view machine_docker = "riscv64";
const std::vector<std::string> machine_architectures = {"SCMP_ARCH_RISCV64"};
#endif

constexpr int eperm = 1, enosys = 38;
// CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
constexpr std::uint64_t namespace_flags = 0x7E020000;

bool has(const std::vector<std::string>& capabilities, std::string_view name) {
    return std::find(capabilities.begin(), capabilities.end(), name) != capabilities.end();
}

std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> list;
    for (std::string_view word : split(text, ' '))
        if (!word.empty()) list.emplace_back(word);
    return list;
}

Json rule(const std::vector<std::string>& names, std::string_view action, Json arguments = {}, int error = 0) {
    Json r{{"names", names}, {"action", action}};
    if (!arguments.is_null()) r["args"] = std::move(arguments);
    if (error) r["errnoRet"] = error;
    return r;
}

Json argument(unsigned index, std::string_view op, std::uint64_t value, std::uint64_t value_two = 0) {
    return {{{"index", index}, {"op", op}, {"value", value}, {"valueTwo", value_two}}};
}

SeccompProfile finish(Json oci) {
    std::string digest = image::digest_of(oci.dump());
    return {std::move(digest), std::move(oci)};
}

int kernel_version() {
    utsname names{};
    int major = 0, minor = 0;
    if (::uname(&names) != 0 || std::sscanf(names.release, "%d.%d", &major, &minor) != 2) return 0;
    return major * 1000 + minor;
}

}  // namespace

SeccompProfile default_seccomp(const std::vector<std::string>& capabilities) {
    constexpr std::string_view allow = "SCMP_ACT_ALLOW", refuse = "SCMP_ACT_ERRNO";
    std::vector<std::string> allowed = words(seccomp_always), denied = words(seccomp_never);
    for (std::string_view name : {"ptrace", "process_vm_readv", "process_vm_writev"}) allowed.emplace_back(name);
    // A 32-bit socketcall hides its domain behind a pointer, so the rules for socket could not see AF_ALG and AF_VSOCK.
    std::erase(allowed, "socketcall");
    denied.emplace_back("socketcall");

    for (const auto& by : seccomp_by_capability) {
        auto& list = has(capabilities, by.capability) ? allowed : denied;
        for (auto& name : words(by.names)) list.push_back(std::move(name));
    }
    for (const auto& by : seccomp_by_architecture) {
        auto architectures = words(by.architectures);
        if (std::find(architectures.begin(), architectures.end(), machine_docker) == architectures.end()) continue;
        for (auto& name : words(by.names)) allowed.push_back(std::move(name));
    }
    std::sort(allowed.begin(), allowed.end());
    allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
    // The namespace calls have rules of their own below; a call that one capability allows is not denied for another's lack.
    std::erase_if(denied, [&](const std::string& name) {
        return name == "clone" || name == "clone3" || std::binary_search(allowed.begin(), allowed.end(), name);
    });
    std::sort(denied.begin(), denied.end());
    denied.erase(std::unique(denied.begin(), denied.end()), denied.end());

    Json rules = Json::array();
    rules.push_back(rule(allowed, allow));
    rules.push_back(rule(denied, refuse, {}, eperm));
    rules.push_back(rule({"socket"}, allow, argument(0, "SCMP_CMP_LT", 38)));
    rules.push_back(rule({"socket"}, allow, argument(0, "SCMP_CMP_EQ", 39)));
    rules.push_back(rule({"socket"}, allow, argument(0, "SCMP_CMP_GT", 40)));
    rules.push_back(rule({"socket"}, refuse, argument(0, "SCMP_CMP_EQ", 38), eperm));
    rules.push_back(rule({"socket"}, refuse, argument(0, "SCMP_CMP_EQ", 40), eperm));
    for (std::uint64_t persona : {std::uint64_t{0x0}, std::uint64_t{0x8}, std::uint64_t{0x20000},
                                  std::uint64_t{0x20008}, std::uint64_t{0xffffffff}})
        rules.push_back(rule({"personality"}, allow, argument(0, "SCMP_CMP_EQ", persona)));
    if (!has(capabilities, "CAP_SYS_ADMIN")) {
        rules.push_back(rule({"clone"}, allow, argument(0, "SCMP_CMP_MASKED_EQ", namespace_flags, 0)));
        // clone3 passes its flags in memory, where no filter sees them; ENOSYS makes libc use clone.
        rules.push_back(rule({"clone3"}, refuse, {}, enosys));
    }
    return finish({{"defaultAction", refuse},
                   {"defaultErrnoRet", enosys},
                   {"architectures", machine_architectures},
                   {"syscalls", rules}});
}

Result<SeccompProfile> resolve_seccomp(const Json& profile, const std::vector<std::string>& capabilities) {
    try {
        if (!profile.is_object() || !profile.contains("defaultAction"))
            return fail(Code::invalid, "decoding seccomp profile failed: \"defaultAction\" is missing");
        Json oci{{"defaultAction", profile.at("defaultAction").get<std::string>()}, {"syscalls", Json::array()}};
        if (profile.contains("defaultErrnoRet")) oci["defaultErrnoRet"] = profile.at("defaultErrnoRet").get<int>();
        if (profile.contains("architectures"))
            oci["architectures"] = profile.at("architectures");
        else
            oci["architectures"] = machine_architectures;
        auto any_of = [](const Json& names, auto matches) {
            return std::any_of(names.begin(), names.end(),
                               [&](const Json& name) { return matches(name.get<std::string>()); });
        };
        auto is_machine = [](const std::string& name) { return name == machine_docker; };
        auto given = [&](const std::string& name) { return has(capabilities, name); };
        auto old_enough = [](const std::string& minimum) {
            int major = 0, minor = 0;
            return std::sscanf(minimum.c_str(), "%d.%d", &major, &minor) == 2 &&
                   kernel_version() >= major * 1000 + minor;
        };
        for (const Json& entry : profile.value("syscalls", Json::array())) {
            const Json includes =
                entry.contains("includes") && entry["includes"].is_object() ? entry["includes"] : Json::object();
            const Json excludes =
                entry.contains("excludes") && entry["excludes"].is_object() ? entry["excludes"] : Json::object();
            auto list = [](const Json& from, const char* key) {
                return from.contains(key) && from[key].is_array() ? from[key] : Json::array();
            };
            if (Json a = list(includes, "arches"); !a.empty() && !any_of(a, is_machine)) continue;
            if (Json c = list(includes, "caps");
                !c.empty() && !std::all_of(c.begin(), c.end(), [&](const Json& n) { return given(n); }))
                continue;
            if (includes.contains("minKernel") && !old_enough(includes["minKernel"])) continue;
            if (any_of(list(excludes, "arches"), is_machine) || any_of(list(excludes, "caps"), given)) continue;
            if (excludes.contains("minKernel") && old_enough(excludes["minKernel"])) continue;
            Json kept{{"action", entry.at("action").get<std::string>()}};
            if (entry.contains("names"))
                kept["names"] = entry["names"].get<std::vector<std::string>>();
            else
                kept["names"] = std::vector<std::string>{entry.at("name").get<std::string>()};
            if (entry.contains("args") && entry["args"].is_array() && !entry["args"].empty())
                kept["args"] = entry["args"];
            if (entry.contains("errnoRet")) kept["errnoRet"] = entry["errnoRet"].get<int>();
            oci["syscalls"].push_back(std::move(kept));
        }
        return finish(std::move(oci));
    } catch (const Json::exception& e) {
        return fail(Code::invalid, std::string("decoding seccomp profile failed: ") + e.what());
    }
}

}  // namespace gantry::container
