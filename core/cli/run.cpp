#include <poll.h>

#include "core/cli/create_container.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/run_attached.hpp"
#include "core/cli/stream.hpp"
#include "core/cli/terminal.hpp"

namespace gantry::cli {

Result<void> check_tty(bool input, bool tty) {
    if (input && tty && !is_terminal(0))
        return fail(Code::invalid, "cannot attach stdin to a TTY-enabled container because stdin is not a terminal");
    return {};
}

Result<int> exit_code_of(Connection& wait) {
    GANTRY_CHECK(wait.receive_head());
    GANTRY_CHECK(wait.check_status());
    GANTRY_TRY(std::string body, wait.receive_all());
    Json answer = parse_json(body);
    std::string message = text_at(answer, "Error", "Message");
    if (!message.empty()) return fail(Code::internal, message);
    if (!member(answer, "StatusCode").is_number())
        return fail(Code::corrupt, "the daemon's answer about the container's end is not understood");
    return static_cast<int>(number_at(answer, "StatusCode"));
}

Result<int> run_attached(Client& client, const AttachWish& wish) {
    std::string base = "/containers/" + path_escape(wish.id);
    SignalCatcher signals;
    GANTRY_CHECK(signals.start(wish.proxy_signals));
    // Both are asked for at once, each on its own connection, and both are known to the daemon before the start.
    std::optional<Connection> stdio;
    if (wish.input || wish.output || wish.error) {
        std::vector<std::pair<std::string, std::string>> pairs{{"stream", "1"}};
        if (wish.input) pairs.emplace_back("stdin", "1");
        if (wish.output) pairs.emplace_back("stdout", "1");
        if (wish.error) pairs.emplace_back("stderr", "1");
        if (!wish.detach_keys.empty()) pairs.emplace_back("detachKeys", wish.detach_keys);
        GANTRY_TRY(Connection connection, client.connect());
        stdio.emplace(std::move(connection));
        GANTRY_CHECK(stdio->send("POST", base + "/attach" + query(pairs), nullptr, Connection::Upgrade::tcp));
    }
    GANTRY_TRY(Connection wait, client.connect());
    GANTRY_CHECK(wait.send("POST", base + "/wait" + query({{"condition", wish.condition}})));
    if (stdio) {
        GANTRY_CHECK(stdio->receive_head());
        GANTRY_CHECK(stdio->check_status());
    }
    GANTRY_CHECK(wait.receive_head());
    GANTRY_CHECK(wait.check_status());
    if (wish.start) {
        auto started = client.post(base + "/start");
        if (!started) {
            // With --rm the daemon removes what could not start; that is over when we return.
            pollfd removed{wait.fd(), POLLIN, 0};
            if (wish.condition == "removed") (void)::poll(&removed, 1, 5000);
            return started.error();
        }
    }
    StreamWish stream;
    stream.tty = wish.tty;
    stream.input = wish.input;
    stream.proxy_signals = wish.proxy_signals;
    stream.detach_keys = wish.detach_keys;
    stream.resize_target = base + "/resize";
    stream.kill_target = base + "/kill";
    stream.stdio = stdio ? &*stdio : nullptr;
    stream.end = &wait;
    GANTRY_TRY(StreamEnd end, run_stream(client, stream, signals));
    if (end == StreamEnd::detached) return 0;
    if (end == StreamEnd::connection_lost)
        return fail(Code::internal, "lost the connection to the daemon; the container was not stopped");
    return exit_code_of(wait);
}

Result<int> run(Call& call) {
    ContainerOptions options;
    bool detach = false, proxy = true;
    std::string detach_keys;
    Flags flags;
    options.declare(flags);
    flags.boolean(detach, 'd', "detach", "Run container in background and print container ID");
    flags.boolean(proxy, 0, "sig-proxy", "Proxy received signals to the process");
    flags.text(detach_keys, 0, "detach-keys", "Override the key sequence for detaching a container");
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    if (detach && !options.attach.empty())
        return fail(Code::invalid, "conflicting options: cannot specify both --attach and --detach");
    GANTRY_TRY(Json body, options.body(flags, (*args)[0], {args->begin() + 1, args->end()}, !detach));
    GANTRY_CHECK(check_tty(flag_at(body, "AttachStdin"), options.tty));
    GANTRY_CHECK(DetachKeys::parse(detach_keys));
    if (auto size = terminal_size(); size && options.tty)
        body["HostConfig"]["ConsoleSize"] = {size->rows, size->columns};

    auto id = create_container(call.client(), options, body);
    if (!id) return call.refuse(id.error(), start_failure_code(id.error()));
    if (detach) {
        auto started = call.client().post("/containers/" + *id + "/start");
        if (!started) return call.refuse(started.error(), start_failure_code(started.error()));
        print_out(*id + "\n");
        return 0;
    }
    AttachWish wish;
    wish.id = *id;
    wish.tty = options.tty;
    wish.input = flag_at(body, "AttachStdin");
    wish.output = flag_at(body, "AttachStdout");
    wish.error = flag_at(body, "AttachStderr");
    wish.proxy_signals = proxy;
    wish.detach_keys = detach_keys;
    wish.condition = options.remove ? "removed" : "next-exit";
    wish.start = true;
    auto code = run_attached(call.client(), wish);
    if (code || code.error().code == Code::cancelled) return code;
    return call.refuse(code.error(), start_failure_code(code.error()));
}

}  // namespace gantry::cli
