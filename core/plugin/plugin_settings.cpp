#include "core/plugin/plugin_settings.hpp"

#include <algorithm>

#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"

namespace gantry::plugin {
namespace {

// NAME[.FIELD]=VALUE taken apart.
struct Wish {
    std::string name, field, value, text;
};

Result<Wish> read_wish(const std::string& argument) {
    Wish wish;
    const std::size_t equals = argument.find('=');
    if (equals == 0 || argument.empty() || argument.find('\0') != std::string::npos)
        return fail(Code::invalid, "invalid setting " + quote_json(argument.substr(0, 200)) +
                                       ": expected NAME=VALUE or NAME.FIELD=VALUE");
    wish.name = wish.text = argument.substr(0, equals);
    if (equals != std::string::npos) wish.value = argument.substr(equals + 1);
    if (const std::size_t dot = wish.name.rfind('.'); dot != std::string::npos && dot > 0) {
        wish.field = wish.name.substr(dot + 1);
        wish.name.resize(dot);
    }
    return wish;
}

// `field`: the one that can be set of such a thing at all.
Result<void> check_settable(const Wish& wish, const Json& settable, const std::string& field) {
    const bool open = std::find(settable.begin(), settable.end(), field) != settable.end();
    if (open && (wish.field == field || (wish.field.empty() && settable.size() == 1))) return {};
    if (open)
        return fail(Code::invalid,
                    quote_json(wish.text) + " is not settable, " + quote_json(wish.name + "." + field) + " is");
    return fail(Code::invalid, quote_json(wish.text) + " is not settable");
}

Result<void> check_path(const Wish& wish) {
    if (wish.value.starts_with('/') && wish.value.size() < 4096) return {};
    return fail(Code::invalid, quote_json(wish.text) + ": found " + quote_json(wish.value.substr(0, 200)) +
                                   ", allowed: an absolute path");
}

std::string variable_of(const std::string& assignment) { return assignment.substr(0, assignment.find('=')); }

void set_variable(Json& list, const std::string& name, const std::string& value) {
    for (Json& item : list)
        if (variable_of(item) == name) {
            item = name + "=" + value;
            return;
        }
    list.push_back(name + "=" + value);
}

// Every name that something can be set of, for who asked for another.
std::vector<std::string> settable_names(const Json& config) {
    std::vector<std::string> names;
    auto add = [&](const Json& one) {
        if (!one["Settable"].empty()) names.push_back(one["Name"]);
    };
    for (const Json* list : {&config["Env"], &config["Mounts"], &config["Linux"]["Devices"]})
        for (const Json& one : *list) add(one);
    add(config["Args"]);
    return names;
}

Json* named(Json& list, const std::string& name) {
    for (Json& one : list)
        if (one["Name"] == name) return &one;
    return nullptr;
}

// One wish; `known` false: the configuration has nothing of that name.
Result<void> apply_wish(const Json& config, Json& settings, const Wish& wish, bool* known) {
    *known = true;
    for (const Json& env : config["Env"])
        if (env["Name"] == wish.name) {
            GANTRY_CHECK(check_settable(wish, env["Settable"], "value"));
            set_variable(settings["Env"], wish.name, wish.value);
            return {};
        }
    for (const auto& [list, field] : {std::pair{"Mounts", "Source"}, std::pair{"Devices", "Path"}})
        if (Json* one = named(settings[list], wish.name)) {
            GANTRY_CHECK(check_settable(wish, (*one)["Settable"], to_lower(field)));
            GANTRY_CHECK(check_path(wish));
            (*one)[field] = wish.value;
            return {};
        }
    if (const std::string name = config["Args"]["Name"]; !name.empty() && name == wish.name) {
        GANTRY_CHECK(check_settable(wish, config["Args"]["Settable"], "value"));
        settings["Args"] = Json::array();
        for (std::string_view word : split(wish.value, ' ')) settings["Args"].push_back(std::string(word));
        return {};
    }
    *known = false;
    return {};
}

}  // namespace

Json default_settings(const Json& config) {
    Json variables = Json::array();
    for (const Json& env : config["Env"])
        if (env["Value"].is_string())
            variables.push_back(env["Name"].get<std::string>() + "=" + env["Value"].get<std::string>());
    return {{"Mounts", config["Mounts"]},
            {"Env", std::move(variables)},
            {"Args", config["Args"]["Value"]},
            {"Devices", config["Linux"]["Devices"]}};
}

Result<Json> apply_settings(const Json& config, Json settings, const std::vector<std::string>& arguments) {
    for (const std::string& argument : arguments) {
        GANTRY_TRY(Wish wish, read_wish(argument));
        bool known = false;
        GANTRY_CHECK(apply_wish(config, settings, wish, &known));
        // A name may have a dot of its own.
        if (!known && !wish.field.empty()) {
            wish.name = wish.text;
            wish.field.clear();
            GANTRY_CHECK(apply_wish(config, settings, wish, &known));
        }
        if (known) continue;
        const auto names = settable_names(config);
        const std::string near = nearest(wish.name, names);
        return fail(Code::invalid,
                    "setting " + quote_json(wish.text) + " not found in the plugin configuration" +
                        (names.empty() ? ", which has none"
                                       : ", there are: " + join(names, ", ") +
                                             (near.empty() ? "" : "; did you mean " + quote_json(near) + "?")));
    }
    return settings;
}

Json carried_settings(const Json& config, const Json& old_config, const Json& old_settings) {
    Json settings = default_settings(config);
    const Json old_defaults = default_settings(old_config);
    auto try_set = [&](const std::string& argument) {
        if (auto applied = apply_settings(config, settings, {argument})) settings = std::move(*applied);
    };
    for (const std::string variable : old_settings["Env"])
        if (std::find(old_defaults["Env"].begin(), old_defaults["Env"].end(), Json(variable)) ==
            old_defaults["Env"].end())
            try_set(variable_of(variable) + ".value" + variable.substr(variable_of(variable).size()));
    for (const auto& [list, field] : {std::pair{"Mounts", "Source"}, std::pair{"Devices", "Path"}})
        for (std::size_t i = 0; i < old_settings[list].size(); ++i) {
            const Json& one = old_settings[list][i];
            if (one == old_defaults[list][i] || !one[field].is_string()) continue;
            try_set(one["Name"].get<std::string>() + "." + to_lower(field) + "=" + one[field].get<std::string>());
        }
    if (old_settings["Args"] != old_defaults["Args"])
        try_set(config["Args"]["Name"].get<std::string>() +
                ".value=" + join(old_settings["Args"].get<std::vector<std::string>>(), " "));
    return settings;
}

Result<void> check_complete(const Json& settings) {
    for (const auto& [list, field, what] :
         {std::tuple{"Mounts", "Source", "mount"}, std::tuple{"Devices", "Path", "device"}})
        for (const Json& one : settings[list]) {
            if (one.value("Type", "bind") != "bind" || (one[field].is_string() && one[field] != "")) continue;
            return fail(Code::precondition, std::string(what) + " " + quote_json(one["Name"].get<std::string>()) +
                                                " has no " + to_lower(field) + ": it has to be set first");
        }
    return {};
}

bool settings_fit(const Json& config, const Json& settings) {
    if (!settings.is_object() || settings.size() != 4) return false;
    auto words = [&](const char* key) {
        return settings.contains(key) && settings[key].is_array() &&
               std::all_of(settings[key].begin(), settings[key].end(), [](const Json& one) { return one.is_string(); });
    };
    if (!words("Env") || !words("Args")) return false;
    // As in the configuration, but for what is set.
    auto like = [&](const char* key, const Json& wanted, const char* field) {
        if (!settings.contains(key) || !settings[key].is_array() || settings[key].size() != wanted.size()) return false;
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            Json one = settings[key][i];
            if (!one.is_object() || !one.contains(field) || !(one[field].is_string() || one[field].is_null()))
                return false;
            one[field] = wanted[i][field];
            if (one != wanted[i]) return false;
        }
        return true;
    };
    return like("Mounts", config["Mounts"], "Source") && like("Devices", config["Linux"]["Devices"], "Path");
}

}  // namespace gantry::plugin
