#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/run_attached.hpp"

namespace gantry::cli {

Result<int> attach(Call& call) {
    bool no_stdin = false, proxy = true;
    std::string detach_keys;
    Flags flags;
    flags.boolean(no_stdin, 0, "no-stdin", "Do not attach STDIN");
    flags.boolean(proxy, 0, "sig-proxy", "Proxy all received signals to the process");
    flags.text(detach_keys, 0, "detach-keys", "Override the key sequence for detaching a container");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    GANTRY_TRY(Json state, call.client().get("/containers/" + path_escape((*args)[0]) + "/json"));
    if (!flag_at(state, "State", "Running"))
        return fail(Code::precondition, "cannot attach to a stopped container, start it first");
    if (flag_at(state, "State", "Paused"))
        return fail(Code::precondition, "cannot attach to a paused container, unpause it first");
    if (flag_at(state, "State", "Restarting"))
        return fail(Code::precondition, "cannot attach to a restarting container, wait until it is running");
    AttachWish wish;
    wish.id = text_at(state, "Id");
    wish.tty = flag_at(state, "Config", "Tty");
    wish.input = !no_stdin && flag_at(state, "Config", "OpenStdin");
    wish.output = wish.error = true;
    wish.proxy_signals = proxy && !wish.tty;
    wish.detach_keys = detach_keys;
    wish.condition = flag_at(state, "HostConfig", "AutoRemove") ? "removed" : "not-running";
    GANTRY_CHECK(check_tty(wish.input, wish.tty));
    return run_attached(call.client(), wish);
}

}  // namespace gantry::cli
