#include <unistd.h>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/cli/credentials.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/registry_host.hpp"
#include "core/cli/terminal.hpp"

namespace gantry::cli {
namespace {

// A line of standard input that a user types after a question.
Result<std::string> ask(const std::string& question) {
    print_err(question);
    std::string line;
    for (char c = 0; c != '\n' && line.size() < 4096;) {
        ssize_t n = ::read(0, &c, 1);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        if (c != '\n') line += c;
    }
    return std::string(trim(line));
}

Result<std::string> password_from_input() {
    GANTRY_TRY(std::string text, read_all(0, 64u << 10));
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    return text;
}

// Fills in what the options left open. False: said to the user already.
Result<void> complete(Credentials& wanted, bool from_input) {
    if (from_input) {
        GANTRY_TRY(wanted.password, password_from_input());
    } else if (wanted.username.empty() || wanted.password.empty()) {
        if (!is_terminal(0))
            return fail(
                Code::precondition,
                "cannot perform an interactive login from a non-TTY device: use --username with --password-stdin");
        if (wanted.username.empty()) {
            GANTRY_TRY(wanted.username, ask("Username: "));
        }
        if (!wanted.username.empty() && wanted.password.empty()) {
            GANTRY_TRY(wanted.password, read_hidden("Password: "));
        }
    }
    if (wanted.username.empty()) return fail(Code::invalid, "username is empty");
    if (wanted.password.empty()) return fail(Code::invalid, "password is empty");
    return {};
}

// Asks the daemon to try them; an identity token that the registry gives takes the password's place.
Result<std::string> check(Client& client, const std::string& registry, Credentials& wanted) {
    Json body{{"username", wanted.username}, {"password", wanted.password}, {"serveraddress", registry}};
    if (!wanted.identity_token.empty()) body["identitytoken"] = wanted.identity_token;
    GANTRY_TRY(Json answer, client.post("/auth", &body));
    if (std::string token = text_at(answer, "IdentityToken"); !token.empty()) {
        wanted.identity_token = token;
        wanted.password.clear();
    }
    std::string status = text_at(answer, "Status");
    return status.empty() ? "Login Succeeded" : status;
}

}  // namespace

Result<int> login(Call& call) {
    Credentials wanted;
    bool from_input = false;
    Flags flags;
    flags.text(wanted.username, 'u', "username", "Username");
    flags.text(wanted.password, 'p', "password", "Password or Personal Access Token (PAT)");
    flags.boolean(from_input, 0, "password-stdin", "Take the Password or Personal Access Token (PAT) from stdin");
    auto args = call.parse(flags, between(0, 1));
    if (!args) return call.exit_code();
    if (flags.given("password")) {
        print_err("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
        if (from_input) return fail(Code::invalid, "--password and --password-stdin are mutually exclusive");
    }
    if (from_input && wanted.username.empty())
        return fail(Code::invalid, "must provide --username with --password-stdin");
    const std::string registry = registry_of_server(args->empty() ? std::string() : (*args)[0]);

    // A helper that does not work is found out here, before anything is asked or sent.
    GANTRY_TRY(Credentials kept, find_credentials(registry));
    const bool nothing_given = wanted.username.empty() && wanted.password.empty();
    std::string status;
    if (nothing_given && !kept.empty()) {
        print_err("Authenticating with existing credentials..." +
                  (kept.username.empty() ? std::string() : " [Username: " + kept.username + "]") + "\n");
        auto tried = check(call.client(), registry, kept);
        if (!tried && !is_terminal(0)) return tried.error();
        if (!tried) print_error(tried.error());
        if (tried) {
            status = *tried;
            wanted = kept;
        }
    }
    if (status.empty()) {
        auto complete_ = complete(wanted, from_input);
        if (!complete_ && complete_.error().code == Code::cancelled) return 130;
        GANTRY_CHECK(complete_);
        GANTRY_TRY(status, check(call.client(), registry, wanted));
    }
    GANTRY_TRY(std::string file, store_credentials(registry, wanted));
    if (!file.empty())
        print_err("\nWARNING! Your credentials are stored unencrypted in '" + file +
                  "'.\nConfigure a credential helper (\"credsStore\" or \"credHelpers\" in that file) to remove this "
                  "warning.\n\n");
    print_out(status + "\n");
    return 0;
}

Result<int> logout(Call& call) {
    Flags flags;
    auto args = call.parse(flags, between(0, 1));
    if (!args) return call.exit_code();
    const std::string registry = registry_of_server(args->empty() ? std::string() : (*args)[0]);
    GANTRY_TRY(bool found, erase_credentials(registry));
    if (found)
        print_out("Removing login credentials for " + registry_title(registry) + "\n");
    else
        print_out("Not logged in to " + registry_title(registry) + "\n");
    return 0;
}

}  // namespace gantry::cli
