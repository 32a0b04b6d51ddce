#include "core/cli/help.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace gantry::cli {
namespace {

constexpr std::pair<const char*, const char*> groups[] = {
    {"builder", "Manage builds"},   {"container", "Manage containers"}, {"context", "Manage contexts"},
    {"driver", "Manage drivers"},   {"image", "Manage images"},         {"manifest", "Look at manifests"},
    {"network", "Manage networks"}, {"plugin", "Manage plugins"},       {"system", "Manage the engine"},
    {"volume", "Manage volumes"}};
// What most people need first.
constexpr std::string_view common[] = {"run",    "exec",  "ps",     "build",  "pull",    "push",
                                       "images", "login", "logout", "search", "version", "info"};

using Lines = std::vector<std::pair<std::string, std::string>>;

std::string section(std::string_view title, const Lines& lines) {
    std::size_t width = 0;
    for (const auto& line : lines) width = std::max(width, line.first.size());
    std::string text = "\n" + std::string(title) + ":\n";
    for (const auto& [name, summary] : lines)
        text += "  " + name + std::string(width - name.size() + 3, ' ') + summary + "\n";
    return text;
}

std::string first_name(const char* names) { return std::string(split(names, ',')[0]); }

}  // namespace

bool is_hidden(const Command& command) { return std::string_view(command.top).starts_with("__"); }

bool is_group(std::string_view word) {
    return std::any_of(std::begin(groups), std::end(groups), [&](const auto& group) { return word == group.first; });
}

std::vector<std::string> group_names() {
    std::vector<std::string> names;
    for (const auto& group : groups) names.emplace_back(group.first);
    return names;
}

std::string group_summary(std::string_view group) {
    for (const auto& [name, text] : groups)
        if (group == name) return text;
    return {};
}

std::string main_help() {
    Lines often, management, others;
    for (const auto& [name, summary] : groups) management.emplace_back(name, summary);
    for (std::string_view name : common)
        for (const Command& command : commands())
            if (first_name(command.top) == name) often.emplace_back(name, command.summary);
    for (const Command& command : commands()) {
        std::string name = first_name(command.top);
        if (!name.empty() && !is_hidden(command) &&
            std::find(std::begin(common), std::end(common), name) == std::end(common))
            others.emplace_back(name, command.summary);
    }
    std::sort(others.begin(), others.end());
    Globals globals;
    Flags options;
    globals.declare(options);
    return "Usage:  gantry [OPTIONS] COMMAND\n\nA container engine with drivers for networks, storage and runtimes\n" +
           section("Common Commands", often) + section("Management Commands", management) +
           section("Commands", others) + "\nGlobal " + options.help() +
           "\nRun 'gantry COMMAND --help' for more information on a command.\n";
}

std::string group_help(std::string_view group) {
    Lines lines;
    for (const Command& command : commands())
        if (group == command.group && *command.name) lines.emplace_back(first_name(command.name), command.summary);
    std::sort(lines.begin(), lines.end());
    return "Usage:  gantry " + std::string(group) + " COMMAND\n\n" + group_summary(group) + "\n" +
           section("Commands", lines) + "\nRun 'gantry " + std::string(group) +
           " COMMAND --help' for more information on a command.\n";
}

std::string command_help(const Command& command, const std::string& path, const Flags& flags) {
    std::string text =
        "Usage:  " + path + (*command.usage ? " " : "") + command.usage + "\n\n" + command.summary + "\n";
    std::vector<std::string> aliases;
    if (*command.group && *command.name)
        for (std::string_view name : split(command.name, ','))
            aliases.push_back("gantry " + std::string(command.group) + " " + std::string(name));
    if (*command.top)
        for (std::string_view name : split(command.top, ',')) aliases.push_back("gantry " + std::string(name));
    if (aliases.size() > 1) text += "\nAliases:\n  " + join(aliases, ", ") + "\n";
    std::string options = flags.help();
    if (!options.empty()) text += "\n" + options;
    return text;
}

}  // namespace gantry::cli
