#include "core/container/log_options.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace gantry::container {
namespace {

constexpr std::size_t most_attributes = 64u << 10;  // they stand in every line

void add_labels(const std::string& names, const Json& config, Json* attributes) {
    const Json labels = config.value("Labels", Json());
    for (std::string_view name : split(names, ','))
        if (labels.is_object() && labels.contains(name)) (*attributes)[std::string(name)] = labels[name];
}

void add_variables(const std::string& names, const Json& config, Json* attributes) {
    const Json variables = config.value("Env", Json());
    if (!variables.is_array()) return;
    for (std::string_view name : split(names, ','))
        for (const Json& variable : variables) {
            const std::string text = variable;
            // An empty name is none's.
            if (!name.empty() && text.starts_with(std::string(name) + "="))
                (*attributes)[std::string(name)] = text.substr(name.size() + 1);
        }
}

}  // namespace

Result<Json> log_settings(const Json& log_config, const std::string& directory, const Json& config) {
    std::string driver = log_config.value("Type", "");
    const std::vector<std::string> known = {"json-file", "local", "none"};
    if (std::find(known.begin(), known.end(), driver) == known.end())
        return fail(Code::invalid,
                    "logger: no log driver named '" + driver + "' is registered, there are: " + join(known, ", "));
    Json settings{{"driver", driver}, {"path", directory}, {"max_size", 20 << 20}, {"max_file", 3}};
    const Json options =
        log_config.contains("Config") && log_config["Config"].is_object() ? log_config["Config"] : Json::object();
    for (const auto& [key, value] : options.items()) {
        std::string text = value.is_string() ? value.get<std::string>() : value.dump();
        if (key == "max-size") {
            auto size =
                text == "-1" ? std::optional<std::int64_t>(0) : parse_size(text);  // -1: Docker's word for no limit
            if (!size || (*size > 0 && *size < 4096))
                return fail(Code::invalid, "invalid log option max-size \"" + text + "\": a size of 4k or more");
            settings["max_size"] = *size;
        } else if (key == "max-file") {
            auto count = parse_int(text);
            if (!count || *count < 1 || *count > 1000)
                return fail(Code::invalid, "invalid log option max-file \"" + text + "\": 1 to 1000");
            settings["max_file"] = *count;
        } else if (driver == "json-file" && key == "labels") {
            add_labels(text, config, &settings["attrs"]);
        } else if (driver == "json-file" && key == "env") {
            add_variables(text, config, &settings["attrs"]);
        } else {
            return fail(Code::invalid, "unknown log opt '" + key + "' for " + driver + " log driver, there are: " +
                                           (driver == "json-file" ? "env, labels, " : "") + "max-file, max-size");
        }
        if (driver == "none")
            return fail(Code::invalid, "unknown log opt '" + key + "' for none log driver: it has none");
    }
    if (settings.contains("attrs")) {
        const std::size_t bytes = settings["attrs"].dump(-1, ' ', false, Json::error_handler_t::replace).size();
        if (bytes > most_attributes)
            return fail(Code::invalid, "the log opts labels and env take " + std::to_string(bytes) +
                                           " bytes of labels and variables, allowed are " +
                                           std::to_string(most_attributes));
    }
    return settings;
}

}  // namespace gantry::container
