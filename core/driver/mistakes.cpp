#include "core/driver/mistakes.hpp"

#include <set>

#include "core/base/text.hpp"
#include "core/driver/finder.hpp"
#include "core/driver/hosted.hpp"
#include "core/driver/options.hpp"

namespace gantry::driver {
namespace {

constexpr Kind kinds[] = {Kind::network, Kind::volume, Kind::layer, Kind::runtime};

std::string no_file(const Settings& settings, const Wanted& wanted) {
    const std::string& use = wanted.use.empty() ? wanted.name : wanted.use;
    const std::string path = settings.path.empty() ? "an empty path" : join(settings.path, ", ");
    std::set<std::string> names;
    for (const Candidate& one : candidates(settings)) names.insert(one.name);
    std::vector<std::string> known(names.begin(), names.end());
    const std::string near = nearest(use, known);
    for (std::string& one : known) one = "\"" + one + "\"";
    return "found \"" + use + "\", no driver of that name is in " + path +
           (known.empty() ? "" : "; there are: " + join(known, ", ")) +
           (near.empty() ? "" : "; did you mean \"" + near + "\"?");
}

}  // namespace

std::string name_mistake(const Settings& settings, Kind kind, const std::string& name) {
    auto located = locate(settings, kind, name);
    return located ? std::string() : located.error().text;
}

std::vector<Mistake> mistakes(const Settings& settings, const Wanted& wanted, Ask ask) {
    std::vector<Located> files;
    for (Kind kind : kinds)
        if (auto located = locate(settings, kind, wanted.name)) files.push_back(std::move(*located));
    if (files.empty()) return {{"", no_file(settings, wanted)}};
    if (ask == Ask::options && wanted.options.empty()) return {};
    std::vector<Mistake> refused, wrong;
    bool known_by_one = false;
    for (const Located& one : files) {
        auto said = describe_in_host(settings, one.file);
        if (!said) {
            if (ask == Ask::everything) refused.push_back({"", said.error().text});
            known_by_one = known_by_one || ask == Ask::options;
            continue;
        }
        std::vector<Mistake> found;
        for (OptionProblem& problem :
             option_problems(said->description.value("options", Json::object()), wanted.options))
            found.push_back({std::move(problem.option), std::move(problem.text)});
        // Drivers of several kinds may share a name; options are for the one that knows them.
        if (found.empty()) known_by_one = true;
        if (wrong.empty()) wrong = std::move(found);
    }
    if (!known_by_one) refused.insert(refused.end(), wrong.begin(), wrong.end());
    return refused;
}

}  // namespace gantry::driver
