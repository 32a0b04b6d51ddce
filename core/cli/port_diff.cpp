#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/ports.hpp"
#include "core/cli/update.hpp"

namespace gantry::cli {
namespace {

std::vector<std::string> bindings_of(const Json& list) {
    std::vector<std::string> all;
    if (list.is_array())
        for (const Json& binding : list)
            all.push_back(join_host_port(text_at(binding, "HostIp"), text_at(binding, "HostPort")));
    return all;
}

}  // namespace

Result<int> port(Call& call) {
    std::vector<std::string> add, remove;
    Flags flags;
    flags.list(add, 0, "add", "Publish a further port, as run's -p does");
    flags.list(remove, 0, "rm", "Publish a port no longer: 80, 8080:80, 127.0.0.1:8080:80/udp");
    auto args = call.parse(flags, between(1, 2));
    if (!args) return call.exit_code();
    if (!add.empty() || !remove.empty()) {
        if (args->size() == 2)
            return fail(Code::invalid,
                        "--add and --rm take the port themselves: \"" + (*args)[1] + "\" is one too many");
        GANTRY_CHECK(change_published(call, (*args)[0], add, remove));
    }
    GANTRY_TRY(Json state, call.client().get("/containers/" + path_escape((*args)[0]) + "/json"));
    const Json& ports = member(state, "NetworkSettings", "Ports");
    std::string text;
    if (args->size() == 2) {
        std::string wanted = (*args)[1];
        if (wanted.find('/') == std::string::npos) wanted += "/tcp";
        for (const std::string& binding : bindings_of(member(ports, wanted))) text += binding + "\n";
        if (text.empty()) return fail(Code::not_found, "no public port '" + wanted + "' published for " + (*args)[0]);
    } else if (ports.is_object()) {
        for (const auto& [name, list] : ports.items())
            for (const std::string& binding : bindings_of(list)) text += name + " -> " + binding + "\n";
    }
    print_out(text);
    return 0;
}

Result<int> diff(Call& call) {
    Flags flags;
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    GANTRY_TRY(Json changes, call.client().get("/containers/" + path_escape((*args)[0]) + "/changes"));
    std::string text;
    if (changes.is_array())
        for (const Json& change : changes) {
            std::int64_t kind = number_at(change, "Kind");
            text += std::string(kind == 0 ? "C " : kind == 1 ? "A " : "D ") + text_at(change, "Path") + "\n";
        }
    print_out(text);
    return 0;
}

}  // namespace gantry::cli
