// The "process" object of config.json and of exec.
#include <sys/resource.h>

#include <climits>

#include "capabilities.hpp"
#include "fields.hpp"
#include "spec.hpp"

namespace gantry::native {
namespace {

constexpr std::int64_t largest_id = UINT32_MAX - 1;

Result<void> parse_user(const Json& json, const std::string& where, User& user) {
    std::int64_t uid = 0, gid = 0, umask = 0022;
    Fields fields(json, where);
    fields.number("uid", uid, 0, largest_id);
    fields.number("gid", gid, 0, largest_id);
    fields.number("umask", umask, 0, 0777);
    fields.ignore("username");
    const Json* groups = fields.array("additionalGids");
    GANTRY_CHECK(fields.finish());
    user = {static_cast<uid_t>(uid), static_cast<gid_t>(gid), {}, static_cast<mode_t>(umask)};
    // The primary group is among the supplementary ones, or a file closed to that group would be open to the process.
    user.groups.push_back(user.gid);
    if (!groups) return {};
    if (groups->size() > 65535)
        return fail(Code::invalid, "\"" + where + ".additionalGids\" has more than 65535 entries");
    for (const Json& item : *groups) {
        if (!item.is_number_unsigned() || item.get<std::uint64_t>() > static_cast<std::uint64_t>(largest_id))
            return fail(Code::invalid, "\"" + where + ".additionalGids\" has an entry that is not a group id");
        const auto group = item.get<gid_t>();
        if (group != user.gid) user.groups.push_back(group);
    }
    return {};
}

struct RlimitName {
    std::string_view name;
    int resource;
};
constexpr RlimitName rlimit_names[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK}};

Result<void> parse_rlimits(const Json& list, const std::string& where, std::vector<Rlimit>& out) {
    for (const Json& item : list) {
        Rlimit limit;
        std::int64_t soft = unset, hard = unset;
        Fields fields(item, where + "[]");
        fields.text("type", limit.name);
        fields.number("soft", soft, -1);
        fields.number("hard", hard, -1);
        GANTRY_CHECK(fields.finish());
        if (soft == unset || hard == unset)
            return fail(Code::invalid, "rlimit \"" + limit.name + "\" lacks soft or hard");
        const auto value = [](std::int64_t n) {
            return n < 0 || n == INT64_MAX ? RLIM_INFINITY : static_cast<std::uint64_t>(n);
        };
        limit.soft = value(soft);
        limit.hard = value(hard);
        bool known = false;
        for (const RlimitName& entry : rlimit_names)
            if (entry.name == limit.name) {
                limit.resource = entry.resource;
                known = true;
            }
        if (!known) return fail(Code::invalid, "rlimit \"" + limit.name + "\" is not known");
        if (limit.soft > limit.hard)
            return fail(Code::invalid, "rlimit \"" + limit.name + "\" has a soft limit above its hard limit");
        for (const Rlimit& other : out)
            if (other.resource == limit.resource)
                return fail(Code::invalid, "rlimit \"" + limit.name + "\" is given twice");
        out.push_back(std::move(limit));
    }
    return {};
}

Result<void> parse_capabilities(const Json& json, const std::string& where, CapabilitySets& sets) {
    Fields fields(json, where);
    std::vector<std::string> names[5];
    const char* keys[5] = {"bounding", "effective", "permitted", "inheritable", "ambient"};
    for (std::size_t i = 0; i < 5; ++i) fields.strings(keys[i], names[i]);
    GANTRY_CHECK(fields.finish());
    std::uint64_t* out[5] = {&sets.bounding, &sets.effective, &sets.permitted, &sets.inheritable, &sets.ambient};
    for (std::size_t i = 0; i < 5; ++i) {
        GANTRY_TRY(*out[i], capability_mask(names[i]));
    }
    return {};
}

}  // namespace

Result<ProcessSpec> parse_process(const Json& json, const std::string& where) {
    ProcessSpec process;
    Fields fields(json, where);
    fields.strings("args", process.arguments);
    fields.strings("env", process.environment);
    fields.text("cwd", process.cwd);
    fields.boolean("noNewPrivileges", process.no_new_privileges);
    fields.number("oomScoreAdj", process.oom_score_adj, -1000, 1000);
    fields.ignore("terminal");  // the request says it
    const Json* user = fields.object("user");
    const Json* rlimits = fields.array("rlimits");
    const Json* capabilities = fields.object("capabilities");
    const Json* console = fields.object("consoleSize");
    for (const char* key :
         {"apparmorProfile", "selinuxLabel", "scheduler", "ioPriority", "commandLine", "execCPUAffinity"})
        fields.refuse(key);
    GANTRY_CHECK(fields.finish());
    if (process.arguments.empty()) return fail(Code::invalid, "\"" + where + ".args\" is empty");
    if (process.cwd.empty() || process.cwd[0] != '/' || process.cwd.size() >= PATH_MAX)
        return fail(Code::invalid, "\"" + where + ".cwd\" is \"" + process.cwd.substr(0, 80) +
                                       "\", not an absolute path of at most 4095 bytes");
    for (const std::string& variable : process.environment)
        if (variable.empty() || variable[0] == '=')
            return fail(Code::invalid, "environment variable \"" + variable.substr(0, 80) + "\" has no name");
    process.user.groups = {0};
    if (user) GANTRY_CHECK(parse_user(*user, where + ".user", process.user));
    if (rlimits) GANTRY_CHECK(parse_rlimits(*rlimits, where + ".rlimits", process.rlimits));
    if (capabilities) GANTRY_CHECK(parse_capabilities(*capabilities, where + ".capabilities", process.capabilities));
    if (console) {
        std::int64_t rows = 0, columns = 0;
        Fields size(*console, where + ".consoleSize");
        size.number("height", rows, 0, 65535);
        size.number("width", columns, 0, 65535);
        GANTRY_CHECK(size.finish());
        process.rows = static_cast<int>(rows);
        process.columns = static_cast<int>(columns);
    }
    return process;
}

}  // namespace gantry::native
