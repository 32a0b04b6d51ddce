#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/run_attached.hpp"

namespace gantry::cli {
namespace {

std::string target(const std::string& name, std::string_view verb) {
    return "/containers/" + path_escape(name) + "/" + std::string(verb);
}

// A POST without a body for every container named, whose name is printed.
int post_each(Call& call, const std::vector<std::string>& names, const std::string& verb) {
    return for_each_name(names, [&](const std::string& name) -> Result<std::string> {
        GANTRY_TRY(Json done, call.client().post(target(name, verb)));
        return name;
    });
}

Result<int> stop_or_restart(Call& call, const char* verb) {
    std::string signal;
    std::int64_t seconds = 0;
    Flags flags;
    flags.text(signal, 's', "signal", "Signal to send to the container");
    flags.integer(seconds, 't', "timeout", "Seconds to wait before killing the container");
    flags.integer(seconds, 0, "time", "Seconds to wait before killing the container");
    flags.hide();
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    std::vector<std::pair<std::string, std::string>> pairs;
    if (flags.given("timeout") || flags.given("time")) pairs.emplace_back("t", std::to_string(seconds));
    if (!signal.empty()) pairs.emplace_back("signal", signal);
    return post_each(call, *args, verb + query(pairs));
}

Result<int> plain(Call& call, const char* verb) {
    Flags flags;
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    return post_each(call, *args, verb);
}

}  // namespace

Result<int> stop(Call& call) { return stop_or_restart(call, "stop"); }
Result<int> restart(Call& call) { return stop_or_restart(call, "restart"); }
Result<int> pause(Call& call) { return plain(call, "pause"); }
Result<int> unpause(Call& call) { return plain(call, "unpause"); }

Result<int> kill(Call& call) {
    std::string signal;
    Flags flags;
    flags.text(signal, 's', "signal", "Signal to send to the container");
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    return post_each(call, *args, "kill" + (signal.empty() ? std::string() : query({{"signal", signal}})));
}

Result<int> rm(Call& call) {
    bool force = false, volumes = false, link = false;
    Flags flags;
    flags.boolean(force, 'f', "force", "Force the removal of a running container (uses SIGKILL)");
    flags.boolean(volumes, 'v', "volumes", "Remove anonymous volumes associated with the container");
    flags.boolean(link, 'l', "link", "Remove the specified link");
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    std::vector<std::pair<std::string, std::string>> pairs;
    if (force) pairs.emplace_back("force", "1");
    if (volumes) pairs.emplace_back("v", "1");
    if (link) pairs.emplace_back("link", "1");
    int code = for_each_name(*args, [&](std::string name) -> Result<std::string> {
        // "/web/db", as inspect shows a link.
        const std::string_view path = std::string_view(name).substr(name.starts_with('/') ? 1 : 0);
        auto done = call.client().remove("/containers/" + path_escape(path) + query(pairs));
        // `rm -f` of what is not there is no failure in Docker either, but is said.
        if (!done && force && done.error().code == Code::not_found) {
            print_error(done.error());
            return std::string();
        }
        if (!done) return done.error();
        return name;
    });
    return code;
}

Result<int> rename(Call& call) {
    Flags flags;
    auto args = call.parse(flags, exactly(2));
    if (!args) return call.exit_code();
    GANTRY_TRY(Json done, call.client().post(target((*args)[0], "rename") + query({{"name", (*args)[1]}})));
    return 0;
}

Result<int> wait(Call& call) {
    Flags flags;
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    return for_each_name(*args, [&](const std::string& name) -> Result<std::string> {
        GANTRY_TRY(Connection answer, call.client().open("POST", target(name, "wait")));
        GANTRY_TRY(int code, exit_code_of(answer));
        return std::to_string(code);
    });
}

}  // namespace gantry::cli
