#include "core/image/strict_json.hpp"

#include "core/base/json_names.hpp"
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
    const JsonNames names = read_json_names(text, 64, holds_data);
    if (names.too_deep) return fail(Code::invalid, prefix + "nested deeper than 64 levels");
    if (names.twice) return fail(Code::invalid, prefix + "has " + quote_json(*names.twice) + " twice");
    Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) return fail(Code::invalid, prefix + "not valid JSON");
    if (!json.is_object() && !json.is_array()) return fail(Code::invalid, prefix + "neither an object nor an array");
    return json;
}

}  // namespace gantry::image
