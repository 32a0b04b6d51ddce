#include "core/container/log_options.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>

#include "core/base/text.hpp"

namespace gantry::container {
namespace {

constexpr std::size_t most_attributes = 64u << 10;  // they stand in every line

constexpr std::size_t longest_expression = 4096;

// Which names an option means. An empty list or expression means none.
using Names = std::function<bool(const std::string& name)>;

Names listed(const std::string& names) {
    std::set<std::string> all;
    for (std::string_view name : split(names, ',')) all.emplace(name);
    return [all = std::move(all)](const std::string& name) { return all.contains(name); };
}

// In the language of Go's expressions, which is RE2's: whoever writes one cannot make it take long.
Result<Names> matching(const std::string& option, const std::string& expression) {
    if (expression.empty()) return Names([](const std::string&) { return false; });
    if (expression.size() > longest_expression)
        return fail(Code::invalid, "invalid log option " + option + ": an expression of more than " +
                                       std::to_string(longest_expression) + " bytes");
    RE2::Options options;
    options.set_log_errors(false);
    auto compiled = std::make_shared<const RE2>(expression, options);
    if (!compiled->ok())
        return fail(Code::invalid, "invalid log option " + option + " " + quote_json(expression.substr(0, 200)) + ": " +
                                       compiled->error());
    return Names([compiled](const std::string& name) { return RE2::PartialMatch(name, *compiled); });
}

void add_labels(const Names& wanted, const Json& config, Json* attributes) {
    const Json labels = config.value("Labels", Json());
    if (!labels.is_object()) return;
    for (const auto& [name, value] : labels.items())
        if (wanted(name)) (*attributes)[name] = value;
}

void add_variables(const Names& wanted, const Json& config, Json* attributes) {
    const Json variables = config.value("Env", Json());
    if (!variables.is_array()) return;
    for (const Json& variable : variables) {
        const std::string text = variable;
        const std::size_t equals = text.find('=');
        if (equals == std::string::npos || equals == 0) continue;  // an empty name is none's
        if (const std::string name = text.substr(0, equals); wanted(name))
            (*attributes)[name] = text.substr(equals + 1);
    }
}

// What each line of a json-file log is to tell besides. False: the option is none of these.
Result<bool> add_attributes(const std::string& key, const std::string& text, const Json& config, const LogOwner& owner,
                            Json* attributes) {
    if (key == "labels") {
        add_labels(listed(text), config, attributes);
    } else if (key == "env") {
        add_variables(listed(text), config, attributes);
    } else if (key == "labels-regex") {
        GANTRY_TRY(Names wanted, matching(key, text));
        add_labels(wanted, config, attributes);
    } else if (key == "env-regex") {
        GANTRY_TRY(Names wanted, matching(key, text));
        add_variables(wanted, config, attributes);
    } else if (key == "tag") {
        GANTRY_TRY(std::string tag, log_tag(text, owner));
        if (!tag.empty()) (*attributes)["tag"] = tag;
    } else {
        return false;
    }
    return true;
}

std::string short_id(const std::string& id) {
    constexpr std::string_view algorithm = "sha256:";
    return id.substr(id.starts_with(algorithm) ? algorithm.size() : 0, 12);
}

}  // namespace

Result<std::string> log_tag(std::string_view text, const LogOwner& owner) {
    const std::pair<std::string_view, std::string> fields[] = {{".DaemonName", "gantry"},
                                                               {".FullID", owner.id},
                                                               {".ID", short_id(owner.id)},
                                                               {".ImageFullID", owner.image_id},
                                                               {".ImageID", short_id(owner.image_id)},
                                                               {".ImageName", owner.image},
                                                               {".Name", owner.name}};
    std::string tag, known;
    for (std::size_t at = 0;;) {
        const std::size_t open = text.find("{{", at);
        tag += text.substr(at, open - at);
        if (open == std::string_view::npos) return tag;
        const std::size_t close = text.find("}}", open);
        const std::string_view word =
            close == std::string_view::npos ? std::string_view() : trim(text.substr(open + 2, close - open - 2));
        auto field = std::find_if(std::begin(fields), std::end(fields), [&](const auto& f) { return f.first == word; });
        if (field == std::end(fields)) {
            for (const auto& one : fields) known += (known.empty() ? "{{" : ", {{") + std::string(one.first) + "}}";
            return fail(Code::invalid, "invalid log option tag: " + quote_json(text.substr(open, 100)) +
                                           " is none of what there is: " + known);
        }
        tag += field->second;
        at = close + 2;
    }
}

Result<Json> log_settings(const Json& log_config, const std::string& directory, const Json& config,
                          const LogOwner& owner) {
    std::string driver = log_config.value("Type", "");
    const std::vector<std::string> known = {"json-file", "local", "none"};
    if (std::find(known.begin(), known.end(), driver) == known.end())
        return fail(Code::invalid,
                    "logger: no log driver named '" + driver + "' is registered, there are: " + join(known, ", "));
    Json settings{{"driver", driver}, {"path", directory}, {"max_size", 20 << 20}, {"max_file", 3}};
    const Json options =
        log_config.contains("Config") && log_config["Config"].is_object() ? log_config["Config"] : Json::object();
    Json attributes;
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
        } else {
            bool taken = false;
            if (driver == "json-file") {
                GANTRY_TRY(taken, add_attributes(key, text, config, owner, &attributes));
            }
            if (!taken)
                return fail(Code::invalid,
                            "unknown log opt '" + key + "' for " + driver + " log driver, there are: " +
                                (driver == "json-file" ? "env, env-regex, labels, labels-regex, max-file, max-size, tag"
                                                       : "max-file, max-size"));
        }
        if (driver == "none")
            return fail(Code::invalid, "unknown log opt '" + key + "' for none log driver: it has none");
    }
    if (!attributes.is_null()) {
        const std::size_t bytes = attributes.dump(-1, ' ', false, Json::error_handler_t::replace).size();
        if (bytes > most_attributes)
            return fail(Code::invalid, "the log opts labels, env and tag take " + std::to_string(bytes) +
                                           " bytes of labels and variables, allowed are " +
                                           std::to_string(most_attributes));
        settings["attrs"] = std::move(attributes);
    }
    return settings;
}

}  // namespace gantry::container
