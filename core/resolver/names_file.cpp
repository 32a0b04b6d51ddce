#include "core/resolver/names_file.hpp"

#include <gantry/driver.hpp>

#include "core/base/files.hpp"
#include "core/base/text.hpp"

namespace gantry::resolver {

Result<NamesFile> read_names_file(const std::string& path) {
    GANTRY_TRY(const std::string text, read_file(path, 64u << 20));
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return fail(Code::corrupt, "names file \"" + path + "\" is not a JSON object");
    NamesFile file;
    file.network = to_lower(member<std::string>(json, "network"));
    file.internal = member<bool>(json, "internal", true);
    file.listen = member<std::vector<std::string>>(json, "listen");
    for (auto& [name, addresses] : member<std::map<std::string, std::vector<std::string>>>(json, "names")) {
        auto& known = file.names[to_lower(name)];
        known.insert(known.end(), addresses.begin(), addresses.end());
    }
    file.addresses = member<std::map<std::string, std::string>>(json, "addresses");
    file.members = member<std::map<std::string, std::vector<std::string>>>(json, "members");
    using Aliases = std::map<std::string, std::map<std::string, std::vector<std::string>>>;
    for (auto& [asker, aliases] : member<Aliases>(json, "aliases"))
        for (auto& [alias, target] : aliases)
            if (target.size() == 2) file.aliases[asker][to_lower(alias)] = {target[0], to_lower(target[1])};
    return file;
}

}  // namespace gantry::resolver
