// The compiled filter against a plain reading of the profile: every number, every architecture, several arguments.
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <cstring>
#include <fstream>
#include <map>

#include "plugins/runtime/native/seccomp.hpp"

using gantry::Json;
using namespace gantry::native;

namespace {

// A classic BPF machine, as much of it as seccomp(2) admits; `steps` counts what ran.
std::uint32_t interpret(const std::vector<sock_filter>& code, const seccomp_data& data, int& steps) {
    std::uint32_t a = 0;
    steps = 0;
    for (std::size_t pc = 0; pc < code.size(); ++pc) {
        const sock_filter& i = code[pc];
        if (++steps > 4096) break;
        switch (i.code) {
        case BPF_LD | BPF_W | BPF_ABS: std::memcpy(&a, reinterpret_cast<const char*>(&data) + i.k, 4); break;
        case BPF_ALU | BPF_AND | BPF_K: a &= i.k; break;
        case BPF_JMP | BPF_JA: pc += i.k; break;
        case BPF_JMP | BPF_JEQ | BPF_K: pc += a == i.k ? i.jt : i.jf; break;
        case BPF_JMP | BPF_JGE | BPF_K: pc += a >= i.k ? i.jt : i.jf; break;
        case BPF_JMP | BPF_JGT | BPF_K: pc += a > i.k ? i.jt : i.jf; break;
        case BPF_RET | BPF_K: return i.k;
        default: ADD_FAILURE() << "instruction " << i.code; return 0;
        }
    }
    ADD_FAILURE() << "ran off the end";
    return 0;
}

std::uint32_t action_of(const std::string& name, const Json& data) {
    const auto number = data.is_null() ? 1u : data.get<std::uint32_t>();
    if (name == "SCMP_ACT_ALLOW") return SECCOMP_RET_ALLOW;
    if (name == "SCMP_ACT_ERRNO") return SECCOMP_RET_ERRNO | number;
    if (name == "SCMP_ACT_KILL_PROCESS") return SECCOMP_RET_KILL_PROCESS;
    if (name == "SCMP_ACT_LOG") return SECCOMP_RET_LOG;
    if (name == "SCMP_ACT_TRAP") return SECCOMP_RET_TRAP;
    ADD_FAILURE() << name;
    return 0;
}

bool holds(const Json& condition, const seccomp_data& data) {
    const std::uint64_t argument = data.args[condition["index"].get<unsigned>()],
                        value = condition["value"].get<std::uint64_t>();
    const std::string op = condition["op"];
    if (op == "SCMP_CMP_EQ") return argument == value;
    if (op == "SCMP_CMP_NE") return argument != value;
    if (op == "SCMP_CMP_LT") return argument < value;
    if (op == "SCMP_CMP_LE") return argument <= value;
    if (op == "SCMP_CMP_GT") return argument > value;
    if (op == "SCMP_CMP_GE") return argument >= value;
    return (argument & value) == condition.value("valueTwo", std::uint64_t{0});
}

struct Architecture {
    const char* name;
    std::uint32_t token, audit, offset;
};
constexpr Architecture architectures[] = {{"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, 0},
                                          {"SCMP_ARCH_X86", SCMP_ARCH_X86, AUDIT_ARCH_I386, 0},
                                          {"SCMP_ARCH_X32", SCMP_ARCH_X32, AUDIT_ARCH_X86_64, 0x40000000},
                                          {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, 0}};

// libseccomp's answer, and what it does not know: younger calls, and the direct form of x86's multiplexed ones.
int resolve(const Architecture& architecture, const std::string& name) {
    const int number = ::seccomp_syscall_resolve_name_arch(architecture.token, name.c_str());
    if (number >= 0) return number;
    static const std::map<std::string, int> direct{
        {"socket", 359},  {"socketpair", 360}, {"bind", 361},       {"connect", 362},     {"listen", 363},
        {"accept4", 364}, {"getsockopt", 365}, {"setsockopt", 366}, {"getsockname", 367}, {"getpeername", 368},
        {"sendto", 369},  {"sendmsg", 370},    {"recvfrom", 371},   {"recvmsg", 372},     {"shutdown", 373},
        {"semget", 393},  {"semctl", 394},     {"shmget", 395},     {"shmctl", 396},      {"shmat", 397},
        {"shmdt", 398},   {"msgget", 399},     {"msgsnd", 400},     {"msgrcv", 401},      {"msgctl", 402}};
    static const std::map<std::string, int> young{
        {"cachestat", 451},         {"fchmodat2", 452},         {"map_shadow_stack", 453}, {"futex_wake", 454},
        {"futex_wait", 455},        {"futex_requeue", 456},     {"statmount", 457},        {"listmount", 458},
        {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
        {"setxattrat", 463},        {"getxattrat", 464},        {"listxattrat", 465},      {"removexattrat", 466},
        {"open_tree_attr", 467},    {"file_getattr", 468},      {"file_setattr", 469}};
    if (architecture.audit == AUDIT_ARCH_I386 && direct.contains(name)) return direct.at(name);
    if (young.contains(name)) return young.at(name) + static_cast<int>(architecture.offset);
    if (architecture.token == SCMP_ARCH_X86_64 && name == "uretprobe") return 335;
    if (architecture.token == SCMP_ARCH_X86_64 && name == "uprobe") return 336;
    return -1;
}

// No cleverness: names resolved one by one, entries in order.
std::uint32_t evaluate(const Json& profile, const Architecture& architecture, const seccomp_data& data) {
    bool listed = false;
    for (const Json& name : profile["architectures"]) listed = listed || name == architecture.name;
    if (!listed) return SECCOMP_RET_KILL_PROCESS;
    for (const bool with_conditions : {true, false})
        for (const Json& entry : profile["syscalls"]) {
            const Json conditions = entry.value("args", Json::array());
            if (conditions.empty() == with_conditions) continue;
            for (const Json& name : entry["names"]) {
                if (resolve(architecture, name) != data.nr) continue;
                bool all = true, any = conditions.empty(), twice = false;
                for (const Json& c : conditions) {
                    all = all && holds(c, data);
                    any = any || holds(c, data);
                    for (const Json& d : conditions) twice = twice || (&c != &d && c["index"] == d["index"]);
                }
                if (twice ? any : all) return action_of(entry["action"], entry.value("errnoRet", Json()));
            }
        }
    return action_of(profile["defaultAction"], profile.value("defaultErrnoRet", Json()));
}

constexpr std::uint64_t values[] = {0,
                                    1,
                                    2,
                                    8,
                                    37,
                                    38,
                                    39,
                                    40,
                                    41,
                                    0x20000,
                                    0x20008,
                                    0xffffffff,
                                    0x100000000,
                                    0x100000026,
                                    0x7e020000,
                                    0x10000000,
                                    0xffffffffffffffff};

// Gives the largest number of steps that any call took.
int compare_all(const Json& profile, std::uint32_t last) {
    auto policy = parse_seccomp(profile);
    EXPECT_TRUE(policy) << policy.error().text;
    if (!policy) return 0;
    auto filter = compile_seccomp(*policy);
    EXPECT_TRUE(filter) << filter.error().text;
    if (!filter) return 0;
    int most = 0, wrong = 0;
    for (const Architecture& architecture : architectures)
        for (std::uint32_t number = 0; number <= last; ++number)
            for (const std::uint64_t first : values)
                for (const std::uint64_t second : {std::uint64_t{0}, std::uint64_t{7}, std::uint64_t{0x100000007}}) {
                    seccomp_data data{};
                    data.nr = static_cast<int>(number + architecture.offset);
                    data.arch = architecture.audit;
                    data.args[0] = first;
                    data.args[1] = second;
                    int steps = 0;
                    const auto got = interpret(filter->code, data, steps),
                               expected = evaluate(profile, architecture, data);
                    most = std::max(most, steps);
                    if (got != expected && ++wrong < 10)
                        ADD_FAILURE() << architecture.name << " " << number << " (" << std::hex << first << ", "
                                      << second << "): " << got << ", not " << expected;
                    if (number > 460 && first == 0) break;
                }
    return most;
}

Json reference() {
    std::ifstream in(GANTRY_SECCOMP_PROFILE);
    if (!in) return nullptr;
    Json json = Json::parse(in);
    Json profile{{"defaultAction", json["defaultAction"]},
                 {"defaultErrnoRet", 38},
                 {"architectures", {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
                 {"syscalls", Json::array()}};
    for (Json entry : json["syscalls"]) {
        const Json includes = entry.value("includes", Json::object());
        if (includes.contains("caps") || includes.contains("arches")) continue;
        for (const char* key : {"includes", "excludes", "comment"}) entry.erase(key);
        profile["syscalls"].push_back(entry);
    }
    return profile;
}

}  // namespace

TEST(Seccomp, filter_equals_the_reference_profile_in_every_call) {
    const Json profile = reference();
    if (profile.is_null()) GTEST_SKIP() << "no reference profile at " GANTRY_SECCOMP_PROFILE;
    const int most = compare_all(profile, 600);
    EXPECT_LT(most, 40) << "binary search, not a list";
}

TEST(Seccomp, filter_equals_a_profile_with_every_operator) {
    Json profile{{"defaultAction", "SCMP_ACT_ALLOW"},
                 {"architectures", {"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"}},
                 {"syscalls", Json::array()}};
    int errnum = 1;
    for (const char* op : {"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
                           "SCMP_CMP_MASKED_EQ"})
        for (const std::uint64_t value : {std::uint64_t{38}, std::uint64_t{0x100000026}}) {
            const char* names[] = {"read", "write", "openat", "close", "socket", "personality", "clone",
                                   "mmap", "ioctl", "lseek",  "dup",   "kill",   "fcntl",       "flock"};
            profile["syscalls"].push_back({{"names", {names[errnum - 1]}},
                                           {"action", "SCMP_ACT_ERRNO"},
                                           {"errnoRet", errnum},
                                           {"args",
                                            {{{"index", 0}, {"op", op}, {"value", value}, {"valueTwo", 38}},
                                             {{"index", 1}, {"op", "SCMP_CMP_EQ"}, {"value", 7}}}}});
            ++errnum;
        }
    profile["syscalls"].push_back({{"names", {"socket", "read"}}, {"action", "SCMP_ACT_KILL_PROCESS"}});
    profile["syscalls"].push_back(
        {{"names", {"getpid"}},
         {"action", "SCMP_ACT_TRAP"},
         {"args",
          {{{"index", 0}, {"op", "SCMP_CMP_EQ"}, {"value", 1}}, {{"index", 0}, {"op", "SCMP_CMP_EQ"}, {"value", 2}}}}});
    (void)compare_all(profile, 600);
}

TEST(Seccomp, s20_vsock_and_alg_sockets_are_refused_on_both_widths) {
    const Json profile = reference();
    if (profile.is_null()) GTEST_SKIP() << "no reference profile at " GANTRY_SECCOMP_PROFILE;
    auto policy = parse_seccomp(profile);
    ASSERT_TRUE(policy);
    auto filter = compile_seccomp(*policy);
    ASSERT_TRUE(filter);
    for (const auto& [audit, number] : {std::pair{static_cast<std::uint32_t>(AUDIT_ARCH_X86_64), 41},
                                        std::pair{static_cast<std::uint32_t>(AUDIT_ARCH_I386), 359}})
        for (const auto& [family, allowed] :
             {std::pair{2ul, true}, std::pair{38ul, false}, std::pair{39ul, true}, std::pair{40ul, false}}) {
            seccomp_data data{};
            data.nr = number;
            data.arch = static_cast<std::uint32_t>(audit);
            data.args[0] = family;
            int steps = 0;
            EXPECT_EQ(interpret(filter->code, data, steps) == SECCOMP_RET_ALLOW, allowed) << number << " " << family;
        }
}

TEST(Seccomp, refuses_what_it_does_not_know) {
    const Json good{{"defaultAction", "SCMP_ACT_ALLOW"}};
    EXPECT_TRUE(parse_seccomp(good));
    for (const Json& bad : {Json{{"defaultAction", "SCMP_ACT_PERHAPS"}}, Json{{"defaultAction", "SCMP_ACT_NOTIFY"}},
                            Json{{"defaultAction", "SCMP_ACT_ALLOW"}, {"listenerPath", "/x"}},
                            Json{{"defaultAction", "SCMP_ACT_ALLOW"}, {"flags", {"X"}}},
                            Json{{"defaultAction", "SCMP_ACT_ALLOW"}, {"new", 1}}, Json{{"defaultAction", 1}},
                            Json{{"defaultAction", "SCMP_ACT_ALLOW"}, {"architectures", {"SCMP_ARCH_PDP11"}}},
                            Json("text"), Json::array()})
        EXPECT_FALSE(parse_seccomp(bad)) << bad;
    Json condition{{"defaultAction", "SCMP_ACT_ALLOW"},
                   {"syscalls",
                    {{{"names", {"read"}},
                      {"action", "SCMP_ACT_ALLOW"},
                      {"args", {{{"index", 6}, {"op", "SCMP_CMP_EQ"}, {"value", 1}}}}}}}};
    EXPECT_FALSE(parse_seccomp(condition));
    condition["syscalls"][0]["args"][0] = {{"index", 0}, {"op", "SCMP_CMP_LIKE"}, {"value", 1}};
    EXPECT_FALSE(parse_seccomp(condition));
}
