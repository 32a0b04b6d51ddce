#include "core/cli/completion_slots.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace gantry::cli {
namespace {

bool wants_running(std::string_view name) {
    for (std::string_view one : {"exec", "attach", "stop", "kill", "pause", "top", "port"})
        if (name == one) return true;
    return false;
}

// By the word that stands for it in the command's usage: "IMAGE[:TAG]", "CONTAINER", "bash|zsh|fish".
Slot slot_of_usage(const Command& command, std::string_view word) {
    const std::string_view name = split(command.name, ',')[0];
    auto is = [&](std::string_view what) {
        return word.starts_with(what) && (word.size() == what.size() ||
                                          std::string_view("[.|").find(word[what.size()]) != std::string_view::npos);
    };
    if (word.starts_with("CONTAINER:")) return {WordKind::container_path};
    if (is("FILE") || is("PATH") || is("file") || is("DEST_PATH")) return {WordKind::file};
    if (word.find('|') != std::string_view::npos &&
        std::none_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; }))
        return {WordKind::choice, std::string(word)};
    // What is made has no name yet.
    if (name == "create" || name == "import" || name == "bootstrap" || name == "pull")
        return command.group == std::string_view("container") && is("IMAGE") ? Slot{WordKind::image} : Slot{};
    if (is("CONTAINER")) return {wants_running(name) ? WordKind::running_container : WordKind::container};
    if (is("IMAGE") || is("SOURCE_IMAGE") || (command.group == std::string_view("image") && is("NAME")))
        return {WordKind::image};
    if (is("NETWORK")) return {WordKind::network};
    if (is("VOLUME")) return {WordKind::volume};
    if (is("PLUGIN")) return {WordKind::plugin};
    if (is("CONTEXT")) return {WordKind::context};
    if (is("DRIVER")) return {WordKind::driver};
    if (word == "NAME|ID") return {WordKind::object};
    return {};
}

}  // namespace

Slot slot_of_option(std::string_view name) {
    constexpr std::pair<std::string_view, WordKind> kinds[] = {
        {"network", WordKind::network}, {"net", WordKind::network},     {"volumes-from", WordKind::container},
        {"link", WordKind::container},  {"context", WordKind::context}, {"from", WordKind::context},
        {"file", WordKind::file},       {"env-file", WordKind::file},   {"label-file", WordKind::file},
        {"cidfile", WordKind::file},    {"iidfile", WordKind::file},    {"metadata-file", WordKind::file},
        {"input", WordKind::file},      {"output", WordKind::file},     {"tlscacert", WordKind::file},
        {"tlscert", WordKind::file},    {"tlskey", WordKind::file},     {"cache-from", WordKind::file},
        {"volume", WordKind::volume}};
    constexpr std::pair<std::string_view, std::string_view> choices[] = {
        {"pull", "always|missing|never"},
        {"restart", "always|no|on-failure|unless-stopped"},
        {"progress", "auto|plain|quiet|rawjson|tty"},
        {"shell", "bash|fish|sh|zsh"},
        {"type", "container|image|network|plugin|volume"},
        {"format", "json|table"}};
    for (const auto& [option, kind] : kinds)
        if (option == name) return {kind};
    for (const auto& [option, words] : choices)
        if (option == name) return {WordKind::choice, std::string(words)};
    return {};
}

Slot slot_of_argument(const Command& command, std::size_t at) {
    // The last word of a usage that repeats stands for all behind it.
    std::vector<std::string_view> places;
    bool repeats = false;
    for (std::string_view word : split(command.usage, ' ')) {
        if (word.empty() || word == "[OPTIONS]") continue;
        // Another way to call it.
        if (word == "or") break;
        while (word.starts_with('[')) word.remove_prefix(1);
        while (word.ends_with(']') && word.find('[') == std::string_view::npos) word.remove_suffix(1);
        if (word.ends_with("...")) {
            repeats = true;
            word.remove_suffix(3);
            if (!places.empty() && places.back() == word) continue;
        }
        places.push_back(word);
    }
    if (command.group == std::string_view("container") && command.name == std::string_view("cp"))
        places = {"CONTAINER:", "CONTAINER:"};
    if (at >= places.size()) {
        if (!repeats || places.empty()) return {};
        at = places.size() - 1;
    }
    return slot_of_usage(command, places[at]);
}

}  // namespace gantry::cli
