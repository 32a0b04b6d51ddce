#include "device_filter.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "kernel.hpp"

namespace gantry::native {
namespace {

std::string rule_text(const DeviceRule& rule) {
    const auto number = [](std::int64_t n) { return n < 0 ? std::string("*") : std::to_string(n); };
    return std::string(1, rule.type) + " " + number(rule.major) + ":" + number(rule.minor) + " " + rule.access;
}

int access_bits(const std::string& access) {
    int bits = 0;
    for (const char letter : access)
        bits |= letter == 'm' ? BPF_DEVCG_ACC_MKNOD : letter == 'r' ? BPF_DEVCG_ACC_READ : BPF_DEVCG_ACC_WRITE;
    return bits;
}

bpf_insn instruction(int code, int destination, int source, int offset, int immediate) {
    bpf_insn insn{};
    insn.code = static_cast<__u8>(code);
    insn.dst_reg = static_cast<__u8>(destination) & 0xf;
    insn.src_reg = static_cast<__u8>(source) & 0xf;
    insn.off = static_cast<__s16>(offset);
    insn.imm = immediate;
    return insn;
}

void give(std::vector<bpf_insn>& program, int answer) {
    program.push_back(instruction(BPF_ALU | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, answer));
    program.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

// r2: type, r3: access, r4: major, r5: minor; r1 is scratch.
void match(std::vector<bpf_insn>& program, const DeviceRule& rule) {
    std::vector<bpf_insn> body;
    std::vector<std::size_t> leave;
    const auto unless = [&](int operation, int reg, int immediate) {
        leave.push_back(body.size());
        body.push_back(instruction(BPF_JMP32 | operation | BPF_K, reg, 0, 0, immediate));
    };
    if (rule.type != 'a') unless(BPF_JNE, BPF_REG_2, rule.type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK);
    const int bits = access_bits(rule.access);
    if (bits != 7) {
        body.push_back(instruction(BPF_ALU | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0));
        // Allowed: everything asked for is covered. Denied: anything asked for is.
        body.push_back(instruction(BPF_ALU | BPF_AND | BPF_K, BPF_REG_1, 0, 0, rule.allow ? 7 & ~bits : bits));
        unless(rule.allow ? BPF_JNE : BPF_JEQ, BPF_REG_1, 0);
    }
    if (rule.major >= 0) unless(BPF_JNE, BPF_REG_4, static_cast<int>(rule.major));
    if (rule.minor >= 0) unless(BPF_JNE, BPF_REG_5, static_cast<int>(rule.minor));
    give(body, rule.allow ? 1 : 0);
    for (const std::size_t at : leave) body[at].off = static_cast<__s16>(body.size() - at - 1);
    program.insert(program.end(), body.begin(), body.end());
}

}  // namespace

DevicePolicy device_policy(const std::vector<DeviceRule>& rules) {
    DevicePolicy policy;
    for (const DeviceRule& rule : rules) {
        const bool everything = rule.type == 'a' && rule.major < 0 && rule.minor < 0 && access_bits(rule.access) == 7;
        if (everything)
            policy = {rule.allow, {}};
        else
            policy.rules.push_back(rule);
    }
    if (policy.allow_all) return policy;
    const DeviceRule standard[] = {{true, 'c', -1, -1, "m"},   {true, 'b', -1, -1, "m"}, {true, 'c', 1, 3, "rwm"},
                                   {true, 'c', 1, 5, "rwm"},   {true, 'c', 1, 7, "rwm"}, {true, 'c', 1, 8, "rwm"},
                                   {true, 'c', 1, 9, "rwm"},   {true, 'c', 5, 0, "rwm"}, {true, 'c', 5, 2, "rwm"},
                                   {true, 'c', 136, -1, "rwm"}};
    policy.rules.insert(policy.rules.end(), std::begin(standard), std::end(standard));
    return policy;
}

Result<void> apply_device_policy_v1(const DevicePolicy& policy, const std::string& directory) {
    GANTRY_TRY(const UniqueFd allow, open_at(AT_FDCWD, directory + "/devices.allow", O_WRONLY));
    GANTRY_TRY(const UniqueFd deny, open_at(AT_FDCWD, directory + "/devices.deny", O_WRONLY));
    const auto write = [&](bool allowed, const std::string& text) -> Result<void> {
        if (::write(allowed ? allow.get() : deny.get(), text.data(), text.size()) < 0)
            return fail_errno(std::string(allowed ? "allow" : "deny") + " devices \"" + text + "\"");
        return {};
    };
    GANTRY_CHECK(write(policy.allow_all, "a"));
    for (const DeviceRule& rule : policy.rules) {
        if (rule.type != 'a') {
            GANTRY_CHECK(write(rule.allow, rule_text(rule)));
            continue;
        }
        // To v1 "a" means every device whatever follows.
        for (const char type : {'c', 'b'}) {
            DeviceRule one = rule;
            one.type = type;
            GANTRY_CHECK(write(rule.allow, rule_text(one)));
        }
    }
    return {};
}

std::vector<bpf_insn> device_program(const DevicePolicy& policy) {
    std::vector<bpf_insn> program;
    const auto load = [&](int reg, std::size_t offset) {
        program.push_back(instruction(BPF_LDX | BPF_MEM | BPF_W, reg, BPF_REG_1, static_cast<int>(offset), 0));
    };
    load(BPF_REG_2, offsetof(bpf_cgroup_dev_ctx, access_type));
    program.push_back(instruction(BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff));
    load(BPF_REG_3, offsetof(bpf_cgroup_dev_ctx, access_type));
    program.push_back(instruction(BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16));
    load(BPF_REG_4, offsetof(bpf_cgroup_dev_ctx, major));
    load(BPF_REG_5, offsetof(bpf_cgroup_dev_ctx, minor));
    for (auto rule = policy.rules.rbegin(); rule != policy.rules.rend(); ++rule) match(program, *rule);
    give(program, policy.allow_all ? 1 : 0);
    return program;
}

Result<void> apply_device_policy_v2(const DevicePolicy& policy, const std::string& directory) {
    const auto program = device_program(policy);
    GANTRY_TRY(const UniqueFd group, open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY));
    bpf_attr load{};
    load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load.insn_cnt = static_cast<__u32>(program.size());
    load.insns = reinterpret_cast<std::uintptr_t>(program.data());
    load.license = reinterpret_cast<std::uintptr_t>("GPL");
    const UniqueFd loaded(static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load)));
    if (!loaded) return fail_errno("load the device filter of cgroup \"" + directory + "\"");
    // The old one, on an update, goes once the new one is in force.
    bpf_attr query{};
    __u32 old_ids[16] = {};
    query.query.target_fd = static_cast<__u32>(group.get());
    query.query.attach_type = BPF_CGROUP_DEVICE;
    query.query.prog_ids = reinterpret_cast<std::uintptr_t>(old_ids);
    query.query.prog_cnt = 16;
    const bool queried = ::syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof query) == 0;
    bpf_attr attach{};
    attach.target_fd = static_cast<__u32>(group.get());
    attach.attach_bpf_fd = static_cast<__u32>(loaded.get());
    attach.attach_type = BPF_CGROUP_DEVICE;
    attach.attach_flags = BPF_F_ALLOW_MULTI;
    if (::syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach) != 0)
        return fail_errno("attach the device filter of cgroup \"" + directory + "\"");
    for (__u32 i = 0; queried && i < query.query.prog_cnt; ++i) {
        bpf_attr by_id{};
        by_id.prog_id = old_ids[i];
        const UniqueFd old(static_cast<int>(::syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &by_id, sizeof by_id)));
        if (!old) continue;
        bpf_attr detach{};
        detach.target_fd = static_cast<__u32>(group.get());
        detach.attach_bpf_fd = static_cast<__u32>(old.get());
        detach.attach_type = BPF_CGROUP_DEVICE;
        (void)::syscall(SYS_bpf, BPF_PROG_DETACH, &detach, sizeof detach);
    }
    return {};
}

}  // namespace gantry::native
