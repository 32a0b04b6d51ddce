#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>

#include "fields.hpp"
#include "seccomp.hpp"

namespace gantry::native {
namespace {

struct Named {
    std::string_view name;
    std::uint32_t value;
};
constexpr Named architectures[] = {{"SCMP_ARCH_X86", SCMP_ARCH_X86},         {"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},
                                   {"SCMP_ARCH_X32", SCMP_ARCH_X32},         {"SCMP_ARCH_ARM", SCMP_ARCH_ARM},
                                   {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64}, {"SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64},
                                   {"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE}};
// Known, but of the other byte order or of no use to a program here.
constexpr std::string_view foreign[] = {
    "SCMP_ARCH_MIPS",        "SCMP_ARCH_MIPS64",      "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",    "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",       "SCMP_ARCH_PPC64",
    "SCMP_ARCH_S390",        "SCMP_ARCH_S390X",       "SCMP_ARCH_PARISC",    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",        "SCMP_ARCH_SH",        "SCMP_ARCH_SHEB"};
constexpr Named flag_names[] = {{"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
                                {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
                                {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC}};
// Younger than the libseccomp of Debian 12; the same number on every architecture.
constexpr Named young[] = {
    {"cachestat", 451},         {"fchmodat2", 452},         {"map_shadow_stack", 453}, {"futex_wake", 454},
    {"futex_wait", 455},        {"futex_requeue", 456},     {"statmount", 457},        {"listmount", 458},
    {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},        {"listxattrat", 465},      {"removexattrat", 466},
    {"open_tree_attr", 467},    {"file_getattr", 468},      {"file_setattr", 469}};
// On x86, libseccomp gives only the multiplexed form of these (socketcall, ipc); the kernel has had both since 4.3 and 5.1.
constexpr Named x86_direct[] = {
    {"socket", 359},  {"socketpair", 360}, {"bind", 361},       {"connect", 362},     {"listen", 363},
    {"accept4", 364}, {"getsockopt", 365}, {"setsockopt", 366}, {"getsockname", 367}, {"getpeername", 368},
    {"sendto", 369},  {"sendmsg", 370},    {"recvfrom", 371},   {"recvmsg", 372},     {"shutdown", 373},
    {"semget", 393},  {"semctl", 394},     {"shmget", 395},     {"shmctl", 396},      {"shmat", 397},
    {"shmdt", 398},   {"msgget", 399},     {"msgsnd", 400},     {"msgrcv", 401},      {"msgctl", 402}};
constexpr std::uint32_t x32_number = 0x40000000;

template <std::size_t n>
std::optional<std::uint32_t> value_of(const Named (&table)[n], std::string_view name) {
    const auto found =
        std::find_if(std::begin(table), std::end(table), [&](const Named& entry) { return entry.name == name; });
    return found == std::end(table) ? std::nullopt : std::optional(found->value);
}

std::optional<std::uint32_t> number_of(std::uint32_t architecture, const std::string& name) {
    const int number = ::seccomp_syscall_resolve_name_arch(architecture, name.c_str());
    if (number >= 0) return static_cast<std::uint32_t>(number);
    const bool x86_64 = architecture == SCMP_ARCH_X86_64 || architecture == SCMP_ARCH_X32;
    if (architecture == SCMP_ARCH_X86)
        if (const auto direct = value_of(x86_direct, name)) return direct;
    auto own = value_of(young, name);
    if (!own && architecture == SCMP_ARCH_X86_64 && name == "uretprobe") own = 335;
    if (!own && architecture == SCMP_ARCH_X86_64 && name == "uprobe") own = 336;
    if (own && x86_64 && architecture == SCMP_ARCH_X32) *own |= x32_number;
    return own;
}

Result<std::uint32_t> action_of(const std::string& name, std::int64_t data) {
    const std::uint32_t low = static_cast<std::uint32_t>(data) & SECCOMP_RET_DATA;
    if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return std::uint32_t{SECCOMP_RET_KILL_THREAD};
    if (name == "SCMP_ACT_KILL_PROCESS") return std::uint32_t{SECCOMP_RET_KILL_PROCESS};
    if (name == "SCMP_ACT_TRAP") return std::uint32_t{SECCOMP_RET_TRAP};
    if (name == "SCMP_ACT_ERRNO") return SECCOMP_RET_ERRNO | low;
    if (name == "SCMP_ACT_TRACE") return SECCOMP_RET_TRACE | low;
    if (name == "SCMP_ACT_LOG") return std::uint32_t{SECCOMP_RET_LOG};
    if (name == "SCMP_ACT_ALLOW") return std::uint32_t{SECCOMP_RET_ALLOW};
    if (name == "SCMP_ACT_NOTIFY")
        return fail(Code::unsupported, "seccomp action \"SCMP_ACT_NOTIFY\" is not supported");
    return fail(Code::invalid, "seccomp action \"" + name.substr(0, 60) + "\" is not known");
}

Result<std::uint64_t> whole(const Json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return std::uint64_t{0};
    if (!found->is_number_integer())
        return fail(Code::invalid, "seccomp argument condition: \"" + std::string(key) + "\" is not a whole number");
    return found->is_number_unsigned() ? found->get<std::uint64_t>()
                                       : static_cast<std::uint64_t>(found->get<std::int64_t>());
}

Result<std::vector<SeccompCondition>> parse_conditions(const Json* list) {
    std::vector<SeccompCondition> out;
    if (!list) return out;
    static constexpr std::string_view operators[] = {"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",       "SCMP_CMP_EQ",
                                                     "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"};
    for (const Json& item : *list) {
        SeccompCondition condition;
        std::string operation;
        std::int64_t index = 0;
        Fields fields(item, "seccomp.syscalls[].args[]");
        fields.number("index", index, 0, 5);
        fields.text("op", operation);
        fields.ignore("value");
        fields.ignore("valueTwo");
        GANTRY_CHECK(fields.finish());
        const auto found = std::find(std::begin(operators), std::end(operators), operation);
        if (found == std::end(operators))
            return fail(Code::invalid, "seccomp operator \"" + operation.substr(0, 60) + "\" is not known");
        condition.argument = static_cast<unsigned>(index);
        condition.compare = static_cast<Compare>(found - std::begin(operators));
        GANTRY_TRY(condition.value, whole(item, "value"));
        GANTRY_TRY(condition.second, whole(item, "valueTwo"));
        out.push_back(condition);
    }
    return out;
}

// The ways in which one entry's conditions can hold.
std::vector<std::vector<SeccompCondition>> alternatives(const std::vector<SeccompCondition>& conditions) {
    unsigned seen = 0;
    bool twice = false;
    for (const SeccompCondition& condition : conditions) {
        twice = twice || (seen >> condition.argument & 1);
        seen |= 1u << condition.argument;
    }
    if (!twice) return {conditions};
    std::vector<std::vector<SeccompCondition>> each;
    for (const SeccompCondition& condition : conditions) each.push_back({condition});
    return each;
}

}  // namespace

Result<SeccompPolicy> parse_seccomp(const Json& profile) {
    SeccompPolicy policy;
    std::string default_action;
    std::vector<std::string> names, flags;
    std::int64_t default_errno = EPERM;
    Fields fields(profile, "seccomp");
    fields.text("defaultAction", default_action);
    fields.number("defaultErrnoRet", default_errno, 0, 4095);
    fields.strings("architectures", names);
    fields.strings("flags", flags);
    fields.refuse("listenerPath");
    fields.refuse("listenerMetadata");
    const Json* calls = fields.array("syscalls");
    GANTRY_CHECK(fields.finish());
    GANTRY_TRY(policy.default_action, action_of(default_action, default_errno));
    for (const std::string& flag : flags) {
        const auto value = value_of(flag_names, flag);
        if (!value) return fail(Code::unsupported, "seccomp flag \"" + flag.substr(0, 60) + "\" is not supported");
        policy.flags |= *value;
    }
    for (const std::string& name : names) {
        if (const auto token = value_of(architectures, name))
            policy.architectures[*token];
        else if (std::find(std::begin(foreign), std::end(foreign), name) == std::end(foreign))
            return fail(Code::invalid, "seccomp architecture \"" + name.substr(0, 60) + "\" is not known");
    }
    if (policy.architectures.empty()) policy.architectures[::seccomp_arch_native()];
    if (!calls) return policy;
    // Rules without conditions wait until all others of their call are known.
    std::map<std::uint32_t, std::map<std::uint32_t, SeccompRule>> plain;
    for (const Json& entry : *calls) {
        std::vector<std::string> of;
        std::string action_name;
        std::int64_t number = EPERM;
        Fields rule(entry, "seccomp.syscalls[]");
        rule.strings("names", of);
        rule.text("action", action_name);
        rule.number("errnoRet", number, 0, 65535);
        const Json* arguments = rule.array("args");
        rule.ignore("comment");
        GANTRY_CHECK(rule.finish());
        GANTRY_TRY(const std::uint32_t action, action_of(action_name, number));
        GANTRY_TRY(const auto conditions, parse_conditions(arguments));
        for (auto& [architecture, table] : policy.architectures)
            for (const std::string& name : of) {
                const auto call = number_of(architecture, name);
                if (!call) continue;
                if (conditions.empty())
                    plain[architecture].try_emplace(*call, SeccompRule{{}, action});
                else
                    for (auto& way : alternatives(conditions)) table[*call].push_back({std::move(way), action});
            }
    }
    for (auto& [architecture, table] : plain)
        for (auto& [call, rule] : table) policy.architectures[architecture][call].push_back(std::move(rule));
    return policy;
}

}  // namespace gantry::native
