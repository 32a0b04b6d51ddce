#include "core/driver/finder.hpp"

#include <set>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/driver/kinds.hpp"

namespace gantry::driver {
namespace {

std::string file_in(const std::string& directory, Kind kind, const std::string& use) {
    return directory + (directory.ends_with("/") ? "" : "/") + std::string(name_of(kind)) + "-" + use + ".so";
}

const std::string& use_of(const Wanted& wanted) { return wanted.use.empty() ? wanted.name : wanted.use; }

std::string find_file(const Settings& settings, Kind kind, const std::string& use) {
    if (!valid_driver_name(use)) return "";
    for (const std::string& directory : settings.path)
        if (std::string file = file_in(directory, kind, use); path_exists(file)) return file;
    return "";
}

Error not_found(const Settings& settings, Kind kind, std::string_view name, const Wanted* wanted) {
    std::set<std::string> names;
    for (const Candidate& one : candidates(settings))
        if (one.kind == kind) names.insert(one.name);
    for (const Wanted& one : settings.drivers)
        if (!find_file(settings, kind, use_of(one)).empty()) names.insert(one.name);
    std::vector<std::string> known(names.begin(), names.end());
    std::string near = nearest(name, known);
    std::string text = "no " + std::string(name_of(kind)) + " driver \"" + std::string(name) + "\"";
    if (wanted && !wanted->use.empty()) text += " (which uses \"" + wanted->use + "\")";
    for (Kind other : {Kind::network, Kind::volume, Kind::layer, Kind::runtime})
        if (other != kind && !find_file(settings, other, wanted ? use_of(*wanted) : std::string(name)).empty())
            text += "; \"" + std::string(name) + "\" is a " + std::string(name_of(other)) + " driver";
    for (std::string& one : known) one = "\"" + one + "\"";
    text += known.empty()
                ? "; there are none in " + (settings.path.empty() ? "an empty path" : join(settings.path, ", "))
                : "; there are: " + join(known, ", ");
    if (!near.empty()) text += "; did you mean \"" + near + "\"?";
    return fail(Code::not_found, text);
}

}  // namespace

std::vector<Candidate> candidates(const Settings& settings) {
    std::vector<Candidate> all;
    for (const std::string& directory : settings.path) {
        auto names = list_directory(directory);
        if (!names) continue;
        for (const std::string& file_name : *names) {
            std::string_view stem = file_name;
            std::size_t dash = stem.find('-');
            if (!stem.ends_with(".so") || dash == std::string_view::npos) continue;
            stem.remove_suffix(3);
            auto kind = kind_of(stem.substr(0, dash));
            if (!kind || dash + 1 > stem.size() || !valid_driver_name(stem.substr(dash + 1))) continue;
            std::string name(stem.substr(dash + 1));
            all.push_back({file_in(directory, *kind, name), name, *kind});
        }
    }
    return all;
}

Result<Located> locate(const Settings& settings, Kind kind, std::string_view name) {
    Located located;
    located.kind = kind;
    located.wanted.name = name;
    const Wanted* configured = nullptr;
    for (const Wanted& one : settings.drivers)
        if (one.name == name) configured = &one;
    if (configured) located.wanted = *configured;
    if (valid_driver_name(name)) located.file = find_file(settings, kind, use_of(located.wanted));
    if (located.file.empty()) return not_found(settings, kind, name, configured);
    located.isolation = isolation_of(settings, located.wanted, located.file);
    return located;
}

Isolation isolation_of(const Settings& settings, const Wanted& wanted, const std::string& file) {
    if (settings.inline_calls) return Isolation::in_process;
    if (wanted.isolation != Isolation::automatic) return wanted.isolation;
    const bool own =
        !settings.path.empty() && file.starts_with(settings.path[0]) &&
        file.find('/', settings.path[0].size() + (settings.path[0].ends_with("/") ? 0 : 1)) == std::string::npos;
    return own ? Isolation::in_process : Isolation::process;
}

}  // namespace gantry::driver
