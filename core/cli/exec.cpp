#include "core/cli/create_container.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/key_values.hpp"
#include "core/cli/run_attached.hpp"
#include "core/cli/stream.hpp"
#include "core/cli/terminal.hpp"

namespace gantry::cli {
namespace {

int failure_code(const Error& error) {
    int code = start_failure_code(error);
    return code == 125 ? 1 : code;
}

}  // namespace

Result<int> exec(Call& call) {
    bool detach = false, interactive = false, tty = false, privileged = false;
    std::string user, workdir, detach_keys;
    std::vector<std::string> environment, environment_files;
    Flags flags;
    flags.boolean(detach, 'd', "detach", "Detached mode: run command in the background");
    flags.boolean(interactive, 'i', "interactive", "Keep STDIN open even if not attached");
    flags.boolean(tty, 't', "tty", "Allocate a pseudo-TTY");
    flags.boolean(privileged, 0, "privileged", "Give extended privileges to the command");
    flags.text(user, 'u', "user", "Username or UID (format: \"<name|uid>[:<group|gid>]\")");
    flags.text(workdir, 'w', "workdir", "Working directory inside the container");
    flags.list(environment, 'e', "env", "Set environment variables");
    flags.list(environment_files, 0, "env-file", "Read in a file of environment variables");
    flags.text(detach_keys, 0, "detach-keys", "Override the key sequence for detaching a container");
    auto args = call.parse(flags, at_least(2));
    if (!args) return call.exit_code();
    GANTRY_CHECK(check_tty(interactive && !detach, tty));
    GANTRY_CHECK(DetachKeys::parse(detach_keys));
    GANTRY_TRY(std::vector<std::string> variables, read_environment(environment_files, environment));
    Client& client = call.client();

    Json body{{"AttachStdin", interactive && !detach},
              {"AttachStdout", !detach},
              {"AttachStderr", !detach},
              {"Tty", tty},
              {"Cmd", std::vector<std::string>(args->begin() + 1, args->end())}};
    if (privileged) body["Privileged"] = true;
    if (!user.empty()) body["User"] = user;
    if (!workdir.empty()) body["WorkingDir"] = workdir;
    if (!variables.empty()) body["Env"] = variables;
    if (!detach_keys.empty()) body["DetachKeys"] = detach_keys;
    if (auto size = terminal_size(); size && tty) body["ConsoleSize"] = {size->rows, size->columns};
    GANTRY_TRY(Json made, client.post("/containers/" + path_escape((*args)[0]) + "/exec", &body));
    std::string base = "/exec/" + text_at(made, "Id");

    Json start{{"Detach", detach}, {"Tty", tty}};
    if (auto console = body.find("ConsoleSize"); console != body.end()) start["ConsoleSize"] = *console;
    if (detach) {
        auto started = client.post(base + "/start", &start);
        if (started) return 0;
        print_error(started.error());
        return failure_code(started.error());
    }
    SignalCatcher signals;
    GANTRY_CHECK(signals.start(false));
    auto stdio = client.open("POST", base + "/start", &start, Connection::Upgrade::tcp);
    if (!stdio) {
        print_error(stdio.error());
        return failure_code(stdio.error());
    }
    StreamWish stream;
    stream.tty = tty;
    stream.input = interactive;
    stream.detach_keys = detach_keys;
    stream.resize_target = base + "/resize";
    stream.stdio = &*stdio;
    GANTRY_TRY(StreamEnd end, run_stream(client, stream, signals));
    if (end == StreamEnd::detached) return 0;
    GANTRY_TRY(Json state, client.get(base + "/json"));
    if (flag_at(state, "Running")) return 0;
    return static_cast<int>(number_at(state, "ExitCode"));
}

}  // namespace gantry::cli
