#include <stdlib.h>

#include "core/base/text.hpp"
#include "core/cli/handlers.hpp"

namespace gantry::cli {
namespace {

std::string shell_of_user() {
    const char* path = std::getenv("SHELL");
    const std::string_view shell = path ? path : "";
    return shell.ends_with("/fish") ? "fish" : "bash";
}

// In single quotes, as sh and fish both take them; a quote in it is written outside of them.
std::string quoted(const std::string& text, bool fish) {
    std::string out = "'";
    for (char c : text) {
        if (c == '\'')
            out += fish ? "\\'" : "'\\''";
        else if (c == '\\' && fish)
            out += "\\\\";
        else
            out += c;
    }
    return out + "'";
}

}  // namespace

Result<int> docker_env(Call& call) {
    std::string shell;
    bool unset = false;
    Flags flags;
    flags.text(shell, 0, "shell", "Shell that reads it: bash, zsh, sh or fish (default from SHELL)");
    flags.boolean(unset, 'u', "unset", "Take back what it sets");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    if (shell.empty()) shell = shell_of_user();
    if (shell != "bash" && shell != "zsh" && shell != "sh" && shell != "fish")
        return fail(Code::invalid, "--shell " + quote_json(shell) + ": want bash, zsh, sh or fish");
    const bool fish = shell == "fish";
    const std::string hint = fish ? "# Run this to set up the shell:\n# gantry docker-env --shell fish" +
                                        std::string(unset ? " --unset" : "") + " | source\n"
                                  : "# Run this to set up the shell:\n# eval \"$(gantry docker-env" +
                                        std::string(unset ? " --unset" : "") + ")\"\n";
    std::string text;
    auto set = [&](const char* name, const std::string& value) {
        text += fish ? "set -gx " + std::string(name) + " " : "export " + std::string(name) + "=";
        text += quoted(value, fish) + (fish ? ";\n" : "\n");
    };
    auto clear = [&](const char* name) {
        text += (fish ? "set -e " : "unset ") + std::string(name) + (fish ? ";\n" : "\n");
    };
    if (unset) {
        for (const char* name : {"DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"}) clear(name);
        print_out(text + hint);
        return 0;
    }
    if (!call.client().choice().endpoint) return call.client().choice().endpoint.error();
    const Endpoint& endpoint = *call.client().choice().endpoint;
    set("DOCKER_HOST", endpoint.url());
    if (endpoint.tls.on) {
        // Docker's clients want the three files of one directory under these names.
        const std::string& ca = endpoint.tls.ca;
        const std::string directory = ca.substr(0, ca.rfind('/') == std::string::npos ? 0 : ca.rfind('/'));
        const Tls wanted{true, true, directory + "/ca.pem", directory + "/cert.pem", directory + "/key.pem"};
        if (directory.empty() || endpoint.tls != wanted)
            return fail(Code::unsupported,
                        "docker's clients find TLS files only as ca.pem, cert.pem and key.pem of one directory, and "
                        "verify the engine");
        set("DOCKER_TLS_VERIFY", "1");
        set("DOCKER_CERT_PATH", directory);
    } else {
        clear("DOCKER_TLS_VERIFY");
        clear("DOCKER_CERT_PATH");
    }
    print_out(text + hint);
    return 0;
}

}  // namespace gantry::cli
