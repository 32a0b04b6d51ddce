// One command of the CLI and what a command gets to work with.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

#include "core/cli/client.hpp"
#include "core/cli/error_output.hpp"
#include "core/cli/flags.hpp"

namespace gantry::cli {

class Call;
// Gives the exit code. An Error is printed and ends with 1, or the command's own failure code.
using Handler = Result<int> (*)(Call& call);

struct Command {
    const char* group;  // "container"; "" for a command without one
    const char* name;   // "ls"; further names behind commas: "ls,list,ps"
    const char* top;    // the name without the group: "ps"; "" where there is none
    const char* usage;  // "[OPTIONS] CONTAINER [CONTAINER...]"
    const char* summary;
    Handler handler;
    Options options = Options::anywhere;
    int failure = 1;  // exit code of an Error
};

struct Count {
    std::size_t least = 0, most = 0;
};
inline constexpr std::size_t any_number = static_cast<std::size_t>(-1);
constexpr Count exactly(std::size_t n) { return {n, n}; }
constexpr Count at_least(std::size_t n) { return {n, any_number}; }
constexpr Count between(std::size_t least, std::size_t most) { return {least, most}; }

// One invocation of a command.
class Call {
public:
    Call(const Command& command, std::vector<std::string> arguments, Client& client)
        : command_(command), arguments_(std::move(arguments)), client_(client) {}

    Client& client() { return client_; }
    const Command& command() const { return command_; }
    // "gantry container ls" or, where the command has a name without its group, "gantry ps".
    std::string path() const;

    // Takes options and checks the number of arguments. nullopt: all has been said (help, or what is wrong) and the
    // handler returns exit_code().
    std::optional<std::vector<std::string>> parse(Flags& flags, Count count);
    int exit_code() const { return exit_code_; }
    // From now on parse() only gives the options' descriptions to `flags`, and the handler does nothing.
    void describe_to(std::vector<Flags::Description>& flags) { described_ = &flags; }
    // Prints "gantry: text", the daemon's own words too: for commands whose container may say something as well. Gives
    // `code`.
    static int refuse(const Error& error, int code);

private:
    const Command& command_;
    std::vector<std::string> arguments_;
    Client& client_;
    std::vector<Flags::Description>* described_ = nullptr;
    int exit_code_ = 0;
};

// Every command, in the order of the help.
const std::vector<Command>& commands();

// To standard output and error; control characters of others are shown as escapes (printable.hpp).
void print_out(std::string_view text);
void print_err(std::string_view text);
// The terminal's own escape sequences, ours.
void print_control(int fd, std::string_view text);

// Does `each` for every name, prints the name (or what `each` gives) after success, and errors at the end, as Docker does.
// Gives 1 if one failed.
template <typename Each>
int for_each_name(const std::vector<std::string>& names, Each each) {
    int code = 0;
    for (const std::string& name : names) {
        Result<std::string> said = each(name);
        if (said) {
            if (!said->empty()) print_out(*said + "\n");
            continue;
        }
        print_error(said.error());
        code = 1;
    }
    return code;
}

// Runs the program: arguments without its name. Gives the exit code.
int run_cli(std::vector<std::string> arguments);
// Declares the options that stand before a command's name.
struct Globals {
    GlobalOptions choice;
    bool version = false, json = false;
    void declare(Flags& flags);
};

}  // namespace gantry::cli
