#include "core/driver/options.hpp"

#include <array>

#include <gantry/driver.hpp>

#include "core/base/text.hpp"

namespace gantry::driver {
namespace {

constexpr std::array<std::string_view, 6> types = {"string", "integer", "boolean", "size", "duration", "path"};

std::string show(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string shown_text(const Json& value) {
    return value.is_string() ? "\"" + value.get<std::string>() + "\"" : show(value);
}

std::optional<bool> parse_boolean(std::string_view text) {
    std::string lower = to_lower(text);
    for (std::string_view yes : {"true", "1", "yes", "on"})
        if (lower == yes) return true;
    for (std::string_view no : {"false", "0", "no", "off"})
        if (lower == no) return false;
    return std::nullopt;
}

// The value as the type says, or nothing where it is not one. Text is taken for every type (--opt gives text only);
// a size becomes bytes and a duration nanoseconds.
std::optional<Json> typed(std::string_view type, const Json& given) {
    if (type == "string" || type == "path") {
        std::string text;
        if (given.is_string())
            text = given.get<std::string>();
        else if (given.is_number_integer() || given.is_boolean())
            text = given.dump();
        else
            return std::nullopt;
        if (text.find('\0') != std::string::npos) return std::nullopt;
        if (type == "path" && !text.starts_with("/")) return std::nullopt;
        return Json(std::move(text));
    }
    if (type == "boolean") {
        if (given.is_boolean()) return given;
        if (!given.is_string()) return std::nullopt;
        auto value = parse_boolean(given.get<std::string>());
        return value ? std::optional<Json>(*value) : std::nullopt;
    }
    if (given.is_number_unsigned() && given.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
        return std::nullopt;
    if (given.is_number_integer()) return Json(given.get<std::int64_t>());
    if (!given.is_string()) return std::nullopt;
    const std::string text = given.get<std::string>();
    std::optional<std::int64_t> number;
    if (type == "integer") number = parse_int(text);
    if (type == "size") number = parse_size(text);
    if (type == "duration") number = parse_duration(text);
    return number ? std::optional<Json>(*number) : std::nullopt;
}

std::string article(std::string_view type) {
    if (type == "integer") return "an integer";
    if (type == "boolean") return "true or false";
    if (type == "size") return "a size such as \"64m\"";
    if (type == "duration") return "a duration such as \"10s\"";
    if (type == "path") return "an absolute path";
    return "a string";
}

// A bound of the schema in the option's own unit: "64m" for a size.
std::optional<std::int64_t> bound(const Json& option, const char* key, std::string_view type) {
    auto found = option.find(key);
    if (found == option.end()) return std::nullopt;
    auto value = typed(type, *found);
    if (!value || !value->is_number_integer()) return std::nullopt;
    return value->get<std::int64_t>();
}

// The error is what was found and what is needed, without the option's name.
Result<Json> read_value(const Json& option, const Json& given) {
    const auto type = member<std::string>(option, "type", "string");
    auto value = typed(type, given);
    auto refuse = [&](const std::string& needed) {
        bool secret = member<bool>(option, "secret");
        return fail(Code::invalid,
                    "is " + (secret ? std::string("not valid") : shown_text(given)) + "; " + needed + " is needed");
    };
    if (!value) return refuse(article(type));
    if (auto values = option.find("values"); values != option.end() && values->is_array()) {
        bool known = false;
        std::vector<std::string> shown;
        for (const Json& one : *values) {
            known = known || typed(type, one) == value;
            shown.push_back(shown_text(one));
        }
        if (!known) return refuse("one of " + join(shown, ", "));
    }
    if (value->is_number_integer()) {
        auto minimum = bound(option, "minimum", type), maximum = bound(option, "maximum", type);
        const std::int64_t number = value->get<std::int64_t>();
        if (minimum && number < *minimum) return refuse("at least " + shown_text(option["minimum"]));
        if (maximum && number > *maximum) return refuse("at most " + shown_text(option["maximum"]));
    }
    return std::move(*value);
}

Result<Json> check_value(const std::string& name, const Json& option, const Json& given, std::string_view where) {
    auto value = read_value(option, given);
    if (value) return value;
    return fail(Code::invalid, std::string(where) + ": option \"" + name + "\" " + value.error().text);
}

// What may stand where an unknown option stands.
std::string known_options(const Json& schema, const std::string& name) {
    std::vector<std::string> known;
    if (schema.is_object())
        for (auto one = schema.begin(); one != schema.end(); ++one) known.push_back(one.key());
    if (known.empty()) return "it has no options";
    const std::string near = nearest(name, known);
    for (auto& one : known) one = "\"" + one + "\"";
    return "known: " + join(known, ", ") + (near.empty() ? "" : "; did you mean \"" + near + "\"?");
}

// The schema's entry for `name`: the exact one, or a prefix "x.*".
const Json* find_option(const Json& schema, const std::string& name) {
    if (auto exact = schema.find(name); exact != schema.end() && !name.ends_with(".*")) return &*exact;
    for (auto entry = schema.begin(); entry != schema.end(); ++entry) {
        const std::string& pattern = entry.key();
        if (!pattern.ends_with(".*")) continue;
        std::string_view prefix(pattern.data(), pattern.size() - 1);
        if (name.size() > prefix.size() && name.starts_with(prefix)) return &*entry;
    }
    return nullptr;
}

}  // namespace

Result<void> check_schema(const Json& schema, std::string_view where) {
    if (!schema.is_object()) return fail(Code::invalid, std::string(where) + " is not an object");
    for (auto entry = schema.begin(); entry != schema.end(); ++entry) {
        const std::string option = std::string(where) + ": option \"" + entry.key() + "\"";
        if (entry.key().empty() || !entry->is_object()) return fail(Code::invalid, option + " is not an object");
        const auto type = member<std::string>(*entry, "type");
        if (std::find(types.begin(), types.end(), type) == types.end())
            return fail(Code::invalid, option + " has type \"" + type +
                                           "\"; string, integer, boolean, size, duration or path is needed");
        for (const char* key : {"minimum", "maximum"}) {
            if (!entry->contains(key)) continue;
            if (!bound(*entry, key, type))
                return fail(Code::invalid,
                            option + " has " + key + " " + show((*entry)[key]) + ", which is not of its type");
        }
        if (entry->contains("values") && !(*entry)["values"].is_array())
            return fail(Code::invalid, option + " has \"values\" that are not an array");
        if (auto standard = entry->find("default"); standard != entry->end() && !standard->is_null() && *standard != "")
            if (auto value = check_value(entry.key(), *entry, *standard, std::string(where) + ": default"); !value)
                return std::move(value).error();
    }
    return {};
}

std::vector<OptionProblem> option_problems(const Json& schema, const Json& given) {
    std::vector<OptionProblem> problems;
    for (const auto& [name, value] : given.items()) {
        const Json* option = schema.is_object() ? find_option(schema, name) : nullptr;
        if (!option)
            problems.push_back({name, "unknown option; " + known_options(schema, name)});
        else if (auto read = read_value(*option, value); !read)
            problems.push_back({name, read.error().text});
    }
    return problems;
}

Result<Json> validate_options(const Json& schema, const Json& given, std::string_view where) {
    if (!given.is_object() && !given.is_null())
        return fail(Code::invalid, std::string(where) + ": the options are not an object");
    Json result = Json::object();
    for (auto entry = given.begin(); entry != given.end(); ++entry) {
        const Json* option = schema.is_object() ? find_option(schema, entry.key()) : nullptr;
        if (!option)
            return fail(Code::invalid, std::string(where) + ": unknown option \"" + entry.key() + "\"; " +
                                           known_options(schema, entry.key()));
        GANTRY_TRY(result[entry.key()], check_value(entry.key(), *option, *entry, where));
    }
    if (schema.is_object())
        for (auto entry = schema.begin(); entry != schema.end(); ++entry) {
            if (result.contains(entry.key()) || entry.key().ends_with(".*")) continue;
            auto standard = entry->is_object() ? entry->find("default") : entry->end();
            if (!entry->is_object() || standard == entry->end() || standard->is_null()) continue;
            // Defaults were checked when the driver was loaded; text such as "64m" becomes a number here too. An empty
            // text of another type than string stands for "not set".
            if (auto value = typed(member<std::string>(*entry, "type", "string"), *standard))
                result[entry.key()] = *value;
        }
    return result;
}

}  // namespace gantry::driver
