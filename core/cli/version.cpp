#include <sys/utsname.h>

#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"

namespace gantry::cli {
namespace {

constexpr const char* api_version = "1.56";

std::string line(std::string_view name, const std::string& value, std::size_t indent) {
    std::string text = std::string(indent, ' ') + std::string(name) + ":";
    if (text.size() < 20) text.append(20 - text.size(), ' ');
    return value.empty() ? std::string() : text + value + "\n";
}

std::string architecture() {
    utsname names{};
    ::uname(&names);
    std::string machine = names.machine;
    return machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : machine;
}

}  // namespace

Result<int> version(Call& call) {
    bool client_only = false;
    std::string format;
    Flags flags;
    flags.boolean(client_only, 0, "client", "Show the client's version only");
    flags.text(format, 'f', "format", "Format output using a custom template: 'json' or 'TEMPLATE'");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    std::string text = "Client:\n" + line("Version", GANTRY_VERSION, 1) + line("API version", api_version, 1) +
                       line("OS/Arch", "linux/" + architecture(), 1);
    if (client_only && format.empty()) {
        print_out(text);
        return 0;
    }
    Json server;
    Result<Json> answer = client_only ? Result<Json>(Json()) : call.client().get("/version");
    if (answer) server = *answer;
    if (!format.empty()) {
        Json both{
            {"Client",
             {{"Version", GANTRY_VERSION}, {"ApiVersion", api_version}, {"Os", "linux"}, {"Arch", architecture()}}},
            {"Server", server}};
        GANTRY_TRY(std::string shown, format_one(both, format));
        print_out(shown + "\n");
    } else {
        if (answer)
            text +=
                "\nServer:\n Engine:\n" + line("Version", text_at(server, "Version"), 2) +
                line("API version",
                     text_at(server, "ApiVersion") + " (minimum version " + text_at(server, "MinAPIVersion") + ")", 2) +
                line("Git commit", text_at(server, "GitCommit"), 2) + line("Built", text_at(server, "BuildTime"), 2) +
                line("OS/Arch", text_at(server, "Os") + "/" + text_at(server, "Arch"), 2) +
                line("Kernel", text_at(server, "KernelVersion"), 2);
        print_out(text);
    }
    if (!answer) return answer.error();
    return 0;
}

}  // namespace gantry::cli
