#include "seccomp.hpp"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

namespace gantry::native {
namespace {

constexpr std::uint32_t x32_bit = 0x40000000;
constexpr std::uint32_t nowhere = 0xffffffff;  // the number a tracer sets to skip a call

sock_filter statement(int code, std::uint32_t k) { return {static_cast<__u16>(code), 0, 0, k}; }
sock_filter jump(int code, std::uint32_t k, unsigned yes, unsigned no) {
    return {static_cast<__u16>(BPF_JMP | code | BPF_K), static_cast<__u8>(yes), static_cast<__u8>(no), k};
}
sock_filter load(std::size_t offset) { return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
sock_filter give(std::uint32_t action) { return statement(BPF_RET | BPF_K, action); }

// Where a jump of a condition goes, before the lengths are known.
enum class To { next, pass, fail };
struct Step {
    int code = 0;
    std::uint32_t k = 0;
    bool is_jump = false;
    To yes = To::next, no = To::next;
};

// 64 bits compared as two halves, the upper one first (seccomp_data is in the machine's order: little-endian).
void add_condition(std::vector<Step>& out, const SeccompCondition& c) {
    const auto low = static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * c.argument), high = low + 4;
    const auto value_low = static_cast<std::uint32_t>(c.value), value_high = static_cast<std::uint32_t>(c.value >> 32);
    const auto fetch = [&](std::uint32_t offset) { out.push_back({BPF_LD | BPF_W | BPF_ABS, offset}); };
    const auto test = [&](int code, std::uint32_t k, To yes, To no) { out.push_back({code, k, true, yes, no}); };
    fetch(high);
    switch (c.compare) {
    case Compare::equal:
        test(BPF_JEQ, value_high, To::next, To::fail);
        fetch(low);
        test(BPF_JEQ, value_low, To::pass, To::fail);
        break;
    case Compare::not_equal:
        test(BPF_JEQ, value_high, To::next, To::pass);
        fetch(low);
        test(BPF_JEQ, value_low, To::fail, To::pass);
        break;
    case Compare::greater:
    case Compare::greater_or_equal:
        test(BPF_JGT, value_high, To::pass, To::next);
        test(BPF_JEQ, value_high, To::next, To::fail);
        fetch(low);
        test(c.compare == Compare::greater ? BPF_JGT : BPF_JGE, value_low, To::pass, To::fail);
        break;
    case Compare::less:
    case Compare::less_or_equal:
        test(BPF_JGT, value_high, To::fail, To::next);
        test(BPF_JEQ, value_high, To::next, To::pass);
        fetch(low);
        test(c.compare == Compare::less ? BPF_JGE : BPF_JGT, value_low, To::fail, To::pass);
        break;
    case Compare::masked_equal:
        out.push_back({BPF_ALU | BPF_AND | BPF_K, value_high});
        test(BPF_JEQ, static_cast<std::uint32_t>(c.second >> 32), To::next, To::fail);
        fetch(low);
        out.push_back({BPF_ALU | BPF_AND | BPF_K, value_low});
        test(BPF_JEQ, static_cast<std::uint32_t>(c.second), To::pass, To::fail);
        break;
    }
}

using Code_ = std::vector<sock_filter>;
void append(Code_& to, const Code_& more) { to.insert(to.end(), more.begin(), more.end()); }

// Numbers from `first` on, up to the next range's, share `code`.
struct Range {
    std::uint32_t first = 0;
    Code_ code;
};

bool same(const Code_& a, const Code_& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (a[i].code != b[i].code || a[i].k != b[i].k || a[i].jt != b[i].jt || a[i].jf != b[i].jf) return false;
    return true;
}

std::vector<Range> ranges_of(const std::map<std::uint32_t, std::vector<SeccompRule>>& table,
                             std::uint32_t default_action) {
    const Code_ otherwise{give(default_action)};
    std::vector<Range> ranges{{0, otherwise}};
    const auto begin = [&](std::uint32_t first, Code_ code) {
        if (ranges.back().first == first)
            ranges.back().code = std::move(code);
        else if (!same(ranges.back().code, code))
            ranges.push_back({first, std::move(code)});
    };
    std::uint32_t next = 0;
    for (const auto& [call, rules] : table) {
        if (call != next) begin(next, otherwise);
        begin(call, compile_rules(rules, default_action));
        next = call + 1;
    }
    begin(next, otherwise);
    // A range that begin() overwrote may now equal the one before it.
    std::vector<Range> merged;
    for (Range& range : ranges)
        if (merged.empty() || !same(merged.back().code, range.code)) merged.push_back(std::move(range));
    return merged;
}

// The accumulator holds the number.
Code_ search(const std::vector<Range>& ranges, std::size_t from, std::size_t to) {
    if (to - from == 1) return ranges[from].code;
    const std::size_t middle = from + (to - from) / 2;
    const Code_ below = search(ranges, from, middle), above = search(ranges, middle, to);
    Code_ code;
    if (below.size() <= 255)
        code.push_back(jump(BPF_JGE, ranges[middle].first, static_cast<unsigned>(below.size()), 0));
    else {
        code.push_back(jump(BPF_JGE, ranges[middle].first, 0, 1));
        code.push_back(statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(below.size())));
    }
    append(code, below);
    append(code, above);
    return code;
}

Code_ section(const SeccompPolicy& policy, std::uint32_t token) {
    const auto table = policy.architectures.find(token);
    const auto ranges = ranges_of(table->second, policy.default_action);
    return search(ranges, 0, ranges.size());
}

// x86-64 and x32 share one AUDIT_ARCH and differ in a bit of the number.
Code_ x86_64_section(const SeccompPolicy& policy) {
    const bool wide = policy.architectures.contains(SCMP_ARCH_X86_64),
               narrow = policy.architectures.contains(SCMP_ARCH_X32);
    const Code_ kill{give(SECCOMP_RET_KILL_PROCESS)};
    const Code_ for_wide = wide ? section(policy, SCMP_ARCH_X86_64) : kill;
    const Code_ for_narrow = narrow ? section(policy, SCMP_ARCH_X32) : kill;
    Code_ code{load(offsetof(seccomp_data, nr)), jump(BPF_JEQ, nowhere, 0, 1), give(policy.default_action),
               jump(BPF_JGE, x32_bit, 0, 1), statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(for_wide.size()))};
    append(code, for_wide);
    append(code, for_narrow);
    return code;
}

}  // namespace

std::vector<sock_filter> compile_rules(const std::vector<SeccompRule>& rules, std::uint32_t default_action) {
    Code_ code;
    for (const SeccompRule& rule : rules) {
        std::vector<Step> steps;
        std::vector<std::size_t> ends;  // of the condition that each step belongs to
        for (const SeccompCondition& condition : rule.conditions) {
            add_condition(steps, condition);
            ends.resize(steps.size(), steps.size());
        }
        // After the steps comes the action, after it the next rule.
        const std::size_t next_rule = steps.size() + 1;
        for (std::size_t i = 0; i < steps.size(); ++i) {
            const auto distance = [&](To to) {
                return static_cast<unsigned>(to == To::next ? 0 : (to == To::pass ? ends[i] : next_rule) - i - 1);
            };
            code.push_back(steps[i].is_jump
                               ? jump(steps[i].code, steps[i].k, distance(steps[i].yes), distance(steps[i].no))
                               : statement(steps[i].code, steps[i].k));
        }
        code.push_back(give(rule.action));
        if (rule.conditions.empty()) return code;
    }
    code.push_back(give(default_action));
    return code;
}

Result<SeccompFilter> compile_seccomp(const SeccompPolicy& policy) {
    SeccompFilter filter;
    filter.flags = policy.flags;
    filter.code.push_back(load(offsetof(seccomp_data, arch)));
    const auto add = [&](std::uint32_t architecture, const Code_& code) {
        filter.code.push_back(jump(BPF_JEQ, architecture, 1, 0));
        filter.code.push_back(statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(code.size())));
        append(filter.code, code);
    };
    if (policy.architectures.contains(SCMP_ARCH_X86_64) || policy.architectures.contains(SCMP_ARCH_X32))
        add(AUDIT_ARCH_X86_64, x86_64_section(policy));
    for (const auto& [token, table] : policy.architectures) {
        if (token == SCMP_ARCH_X86_64 || token == SCMP_ARCH_X32) continue;
        Code_ code{load(offsetof(seccomp_data, nr))};
        append(code, section(policy, token));
        add(token, code);
    }
    filter.code.push_back(give(SECCOMP_RET_KILL_PROCESS));
    if (filter.code.size() > BPF_MAXINSNS)
        return fail(Code::unsupported, "the seccomp profile needs " + std::to_string(filter.code.size()) +
                                           " instructions; the kernel takes 4096");
    return filter;
}

Result<void> install_seccomp(const SeccompFilter& filter) {
    const sock_fprog program{static_cast<unsigned short>(filter.code.size()),
                             const_cast<sock_filter*>(filter.code.data())};
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter.flags, &program) != 0)
        return fail_errno("install the seccomp filter");
    return {};
}

}  // namespace gantry::native
