#include "core/cli/create_container.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/run_attached.hpp"

namespace gantry::cli {

Result<int> start(Call& call) {
    bool attached = false, interactive = false;
    std::string detach_keys;
    Flags flags;
    flags.boolean(attached, 'a', "attach", "Attach STDOUT/STDERR and forward signals");
    flags.boolean(interactive, 'i', "interactive", "Attach container's STDIN");
    flags.text(detach_keys, 0, "detach-keys", "Override the key sequence for detaching a container");
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    Client& client = call.client();
    if (!attached && !interactive)
        return for_each_name(*args, [&](const std::string& name) -> Result<std::string> {
            GANTRY_TRY(Json done, client.post("/containers/" + path_escape(name) + "/start"));
            return name;
        });
    if (args->size() > 1) return fail(Code::invalid, "you cannot start and attach multiple containers at once");
    GANTRY_TRY(Json state, client.get("/containers/" + path_escape((*args)[0]) + "/json"));
    AttachWish wish;
    wish.id = text_at(state, "Id");
    wish.tty = flag_at(state, "Config", "Tty");
    wish.input = interactive && flag_at(state, "Config", "OpenStdin");
    wish.output = wish.error = true;
    wish.proxy_signals = !wish.tty;
    wish.detach_keys = detach_keys;
    wish.condition = flag_at(state, "HostConfig", "AutoRemove") ? "removed" : "next-exit";
    wish.start = true;
    GANTRY_CHECK(check_tty(wish.input, wish.tty));
    return run_attached(client, wish);
}

}  // namespace gantry::cli
