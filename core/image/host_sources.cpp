// The host's own package sources (sources.list(5)), so that no server's name need stand in our code.
#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/image/bootstrap.hpp"

namespace gantry::image {
namespace {

struct Source {
    std::vector<std::string> uris, suites, components;
    std::string signed_by;
};

std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> found;
    std::size_t start = 0;
    while ((start = text.find_first_not_of(" \t", start)) != std::string_view::npos) {
        std::size_t end = std::min(text.find_first_of(" \t", start), text.size());
        found.emplace_back(text.substr(start, end - start));
        start = end;
    }
    return found;
}

// deb [signed-by=/path arch=amd64] URI SUITE COMPONENT...
std::optional<Source> one_line(std::string_view line) {
    line = trim(line.substr(0, line.find('#')));
    if (!line.starts_with("deb ") && !line.starts_with("deb\t")) return std::nullopt;
    line = trim(line.substr(4));
    Source source;
    if (line.starts_with("[")) {
        std::size_t close = line.find(']');
        if (close == std::string_view::npos) return std::nullopt;
        for (const std::string& option : words(line.substr(1, close - 1)))
            if (option.starts_with("signed-by=")) source.signed_by = option.substr(10);
        line = trim(line.substr(close + 1));
    }
    auto parts = words(line);
    if (parts.size() < 3) return std::nullopt;
    source.uris = {parts[0]};
    source.suites = {parts[1]};
    source.components.assign(parts.begin() + 2, parts.end());
    return source;
}

void deb822(std::string_view text, std::vector<Source>& sources) {
    Source source;
    std::string types, last;
    bool enabled = true, inline_key = false;
    auto end_stanza = [&] {
        const auto kinds = words(types);
        if (enabled && !inline_key && std::find(kinds.begin(), kinds.end(), "deb") != kinds.end() &&
            !source.uris.empty() && !source.suites.empty())
            sources.push_back(source);
        source = {};
        types.clear();
        enabled = true;
        inline_key = false;
    };
    for (std::string_view line : split(text, '\n')) {
        if (line.starts_with("#")) continue;
        if (trim(line).empty()) {
            end_stanza();
            continue;
        }
        std::string key = last;
        std::string_view value = line;
        if (line.front() != ' ' && line.front() != '\t') {
            std::size_t colon = line.find(':');
            if (colon == std::string_view::npos) continue;
            key = to_lower(line.substr(0, colon));
            value = line.substr(colon + 1);
            last = key;
        }
        value = trim(value);
        auto add = [&](std::vector<std::string>& to) {
            for (std::string& word : words(value)) to.push_back(std::move(word));
        };
        if (key == "types")
            types += " " + std::string(value);
        else if (key == "uris")
            add(source.uris);
        else if (key == "suites")
            add(source.suites);
        else if (key == "components")
            add(source.components);
        else if (key == "enabled")
            enabled = to_lower(value) != "no";
        else if (key == "signed-by") {
            if (value.starts_with("/"))
                source.signed_by = value;
            else if (!value.empty())
                inline_key = true;  // a key written out has no place in a line
        }
    }
    end_stanza();
}

}  // namespace

std::vector<std::string> host_sources(const std::string& etc_apt, const std::string& suite,
                                      const std::string& host_suite) {
    std::vector<Source> sources;
    auto read_lines = [&](const std::string& path) {
        if (auto text = read_file(path, 1u << 20))
            for (std::string_view line : split(*text, '\n'))
                if (auto source = one_line(line)) sources.push_back(*source);
    };
    read_lines(etc_apt + "/sources.list");
    if (auto names = list_directory(etc_apt + "/sources.list.d"))
        for (const std::string& name : *names) {
            const std::string path = etc_apt + "/sources.list.d/" + name;
            if (name.ends_with(".list")) read_lines(path);
            if (name.ends_with(".sources"))
                if (auto text = read_file(path, 1u << 20)) deb822(*text, sources);
        }
    // What this host has of its own distribution, with its suite's name exchanged for the wanted one.
    std::vector<std::string> lines;
    for (const Source& source : sources)
        for (const std::string& uri : source.uris)
            for (const std::string& name : source.suites) {
                std::string base = name.starts_with(suite) ? suite : host_suite;
                if (base.empty() || !name.starts_with(base)) continue;
                const std::string rest = name.substr(base.size());
                if (!rest.empty() && rest != "-updates" && rest != "-security" && rest != "/updates") continue;
                if (source.components.empty() || source.components.front() != "main") continue;
                std::string options =
                    source.signed_by.empty() ? std::string() : "[signed-by=" + source.signed_by + "] ";
                std::string line = "deb " + options + uri + " " + suite + rest + " " + join(source.components, " ");
                if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(std::move(line));
            }
    return lines;
}

}  // namespace gantry::image
