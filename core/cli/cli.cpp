#include <signal.h>

#include <algorithm>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/cli/command.hpp"
#include "core/cli/help.hpp"
#include "core/cli/printable.hpp"

namespace gantry::cli {
namespace {

bool has_name(const Command& command, std::string_view word) {
    for (std::string_view name : split(command.name, ','))
        if (name == word && *command.name) return true;
    return false;
}
bool has_top(const Command& command, std::string_view word) {
    for (std::string_view name : split(command.top, ','))
        if (name == word && *command.top) return true;
    return false;
}

int unknown(std::string_view what, std::string_view word, const std::vector<std::string>& known) {
    std::string text = "'" + std::string(word) + "' is not a " + std::string(what) + " command";
    std::string near = nearest(word, known);
    // Short words are near to anything.
    if (!near.empty() && (near[0] == word[0] || word.size() > 4)) text += " (did you mean '" + near + "'?)";
    print_error(text);
    return 1;
}

int run_command(const Command& command, std::vector<std::string> arguments, Client& client) {
    Call call(command, std::move(arguments), client);
    auto code = command.handler(call);
    if (code) return *code;
    if (code.error().code == Code::cancelled) return 128 + SIGPIPE;
    if (command.failure != 1) return Call::refuse(code.error(), command.failure);
    print_error(code.error());
    return 1;
}

// help [COMMAND...]
int help(const std::vector<std::string>& words, Client& client) {
    if (words.empty()) {
        print_out(main_help());
        return 0;
    }
    if (words.size() == 1 && is_group(words[0])) {
        print_out(group_help(words[0]));
        return 0;
    }
    for (const Command& command : commands())
        if ((words.size() == 1 && has_top(command, words[0])) ||
            (words.size() == 2 && words[0] == command.group && has_name(command, words[1])))
            return run_command(command, {"--help"}, client);
    std::vector<std::string> none;
    return unknown("gantry", join(words, " "), none);
}

int dispatch(std::vector<std::string> words, Client& client) {
    std::string first = words.empty() ? "help" : words[0];
    if (first == "help") return help({words.begin() + (words.empty() ? 0 : 1), words.end()}, client);
    if (is_group(first)) {
        if (words.size() == 1 || words[1] == "--help" || words[1] == "-h" || words[1] == "help") {
            print_out(group_help(first));
            return 0;
        }
        std::vector<std::string> known;
        for (const Command& command : commands()) {
            if (first != command.group || !*command.name) continue;
            if (has_name(command, words[1])) return run_command(command, {words.begin() + 2, words.end()}, client);
            known.emplace_back(split(command.name, ',')[0]);
        }
        return unknown("gantry " + first, words[1], known);
    }
    std::vector<std::string> known = group_names();
    for (const Command& command : commands()) {
        if (has_top(command, first)) return run_command(command, {words.begin() + 1, words.end()}, client);
        if (*command.top && !is_hidden(command)) known.emplace_back(split(command.top, ',')[0]);
    }
    return unknown("gantry", first, known);
}

}  // namespace

void print_out(std::string_view text) {
    // A reader that has gone (head) ends the program quietly.
    if (!write_all(1, printable(text))) std::exit(128 + SIGPIPE);
}
void print_err(std::string_view text) { (void)write_all(2, printable(text)); }
void print_control(int fd, std::string_view text) { (void)write_all(fd, text); }

std::string Call::path() const {
    if (*command_.top) return "gantry " + std::string(split(command_.top, ',')[0]);
    return "gantry " + std::string(command_.group) + " " + std::string(split(command_.name, ',')[0]);
}

std::optional<std::vector<std::string>> Call::parse(Flags& flags, Count count) {
    if (described_) {
        *described_ = flags.describe();
        return std::nullopt;
    }
    auto rest = flags.parse(arguments_, command_.options);
    if (flags.help_asked()) {
        print_out(command_help(command_, path(), flags));
        exit_code_ = 0;
        return std::nullopt;
    }
    if (!rest) {
        print_error(rest.error());
        exit_code_ = 125;
        return std::nullopt;
    }
    if (rest->size() >= count.least && rest->size() <= count.most) return std::move(*rest);
    auto arguments = [](std::size_t n) { return std::to_string(n) + (n == 1 ? " argument" : " arguments"); };
    std::string want = count.most == 0              ? "accepts no arguments"
                       : count.least == count.most  ? "requires " + arguments(count.least)
                       : count.most == any_number   ? "requires at least " + arguments(count.least)
                       : rest->size() < count.least ? "requires at least " + arguments(count.least)
                                                    : "requires at most " + arguments(count.most);
    print_error("'" + path() + "' " + want + " (usage: " + path() + (*command_.usage ? " " : "") + command_.usage +
                ")");
    exit_code_ = command_.failure;
    return std::nullopt;
}

int Call::refuse(const Error& error, int code) {
    print_err(own_error_line(error));
    return code;
}

void Globals::declare(Flags& flags) {
    auto given = [](std::string& target, bool& mark) {
        return [&](std::string_view value) -> Result<void> {
            target = value;
            mark = true;
            return {};
        };
    };
    auto given_flag = [this](bool& target) {
        return [this, &target](std::string_view value) -> Result<void> {
            auto parsed = parse_boolean(value);
            if (!parsed) return fail(Code::invalid, "not a boolean");
            target = *parsed;
            choice.tls_given = true;
            return {};
        };
    };
    flags.custom(given(choice.host, choice.host_given), 'H', "host", "string",
                 "Daemon to connect to (unix:///path, tcp://host[:port], ssh://[user@]host)");
    flags.custom(given(choice.context, choice.context_given), 'c', "context", "string",
                 "Name of the context to use (overrides GANTRY_HOST and what \"gantry context use\" chose)");
    flags.boolean(json, 0, "json", "Print an error as one JSON object");
    Tls& tls = choice.tls;
    flags.custom(given_flag(tls.on), 0, "tls", "", "Use TLS; implied by --tlsverify");
    flags.value_optional("true");
    flags.custom(given_flag(tls.verify), 0, "tlsverify", "", "Use TLS and verify the daemon");
    flags.value_optional("true");
    flags.custom(given(tls.ca, choice.tls_given), 0, "tlscacert", "string",
                 "Trust certificates signed only by this CA (default ca.pem of DOCKER_CERT_PATH or ~/.docker)");
    flags.custom(given(tls.certificate, choice.tls_given), 0, "tlscert", "string",
                 "Path to the client's TLS certificate (default cert.pem there)");
    flags.custom(given(tls.key, choice.tls_given), 0, "tlskey", "string", "Path to its key (default key.pem there)");
    flags.boolean(version, 'v', "version", "Print version information and quit");
}

int run_cli(std::vector<std::string> arguments) {
    // A closed pipe or socket is an error of the write, not the end of the process.
    ::signal(SIGPIPE, SIG_IGN);
    Globals globals;
    Flags flags;
    globals.declare(flags);
    auto words = flags.parse(arguments, Options::until_argument);
    if (globals.json) set_error_form(ErrorForm::json);
    if (!words) {
        print_error(words.error());
        return 125;
    }
    if (flags.help_asked()) {
        print_out(main_help());
        return 0;
    }
    if (globals.version) {
        print_out("Gantry version " GANTRY_VERSION "\n");
        return 0;
    }
    Client client(choose(globals.choice, ContextStore()));
    return dispatch(std::move(*words), client);
}

}  // namespace gantry::cli
