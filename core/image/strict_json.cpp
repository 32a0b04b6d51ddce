#include "core/image/strict_json.hpp"

#include "core/base/text.hpp"

namespace gantry::image {
namespace {

// Objects whose member names are data, not fields: names that differ in case are different there.
bool holds_data(std::string_view name) {
    const std::string lower = to_lower(name);
    return lower == "labels" || lower == "annotations" || lower == "volumes" || lower == "exposedports";
}

}  // namespace

Result<Json> parse_document(std::string_view text, std::string_view what) {
    const std::string prefix = std::string(what) + ": ";
    if (text.size() > max_document_bytes) return fail(Code::invalid, prefix + "more than 4 MiB");
    if (text.starts_with("\xEF\xBB\xBF")) return fail(Code::invalid, prefix + "begins with a byte order mark");
    struct Level {
        std::set<std::string> names;
        bool data = false;
    };
    std::vector<Level> levels;
    std::string last_name, problem;
    auto check = [&](int depth, Json::parse_event_t event, Json& value) {
        switch (event) {
        case Json::parse_event_t::object_start:
        case Json::parse_event_t::array_start:
            if (depth > 64 && problem.empty()) problem = "nested deeper than 64 levels";
            levels.push_back({{}, event == Json::parse_event_t::object_start && holds_data(last_name)});
            last_name.clear();
            break;
        case Json::parse_event_t::object_end:
        case Json::parse_event_t::array_end:
            if (!levels.empty()) levels.pop_back();
            last_name.clear();
            break;
        case Json::parse_event_t::key: {
            last_name = value.get_ref<const std::string&>();
            if (levels.empty()) break;
            const std::string counted = levels.back().data ? last_name : to_lower(last_name);
            if (!levels.back().names.insert(counted).second && problem.empty())
                problem = "has " + quote_json(last_name) + " twice";
            break;
        }
        default: last_name.clear(); break;
        }
        return problem.empty();
    };
    Json json = Json::parse(text, check, false);
    if (!problem.empty()) return fail(Code::invalid, prefix + problem);
    if (json.is_discarded()) return fail(Code::invalid, prefix + "not valid JSON");
    if (!json.is_object() && !json.is_array()) return fail(Code::invalid, prefix + "neither an object nor an array");
    return json;
}

}  // namespace gantry::image
