#include <algorithm>

#include "core/base/json_names.hpp"
#include "core/base/text.hpp"
#include "core/daemon/http/http.hpp"

namespace gantry::http {
namespace {

constexpr int max_depth = 64;
constexpr std::size_t max_elements = 1'000'000;

// Before the parser builds anything: how deep and how many.
Result<void> check_size(std::string_view text) {
    int depth = 0;
    std::size_t elements = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                quoted = false;
            continue;
        }
        if (c == '"') quoted = true;
        if (c == '{' || c == '[') {
            if (++depth > max_depth)
                return fail(Code::invalid, "invalid JSON: nested deeper than " + std::to_string(max_depth));
        } else if (c == '}' || c == ']') {
            --depth;
        } else if (c == ',' && ++elements > max_elements) {
            return fail(Code::invalid, "invalid JSON: more than " + std::to_string(max_elements) + " elements");
        }
    }
    return {};
}

Result<void> check_content_type(const std::map<std::string, std::string>& headers) {
    auto found = headers.find("content-type");
    const std::string type = found == headers.end() ? std::string() : found->second;
    if (type.empty()) return fail(Code::invalid, "malformed Content-Type header (): mime: no media type");
    if (to_lower(trim(std::string_view(type).substr(0, type.find(';')))) != "application/json")
        return fail(Code::invalid, "unsupported Content-Type header (" + type + "): must be 'application/json'");
    return {};
}

Result<Json> parse_body(const Request& request) {
    const std::string& body = request.body;
    GANTRY_CHECK(check_content_type(request.headers));
    GANTRY_CHECK(check_size(body));
    Json parsed;
    try {
        parsed = Json::parse(body);
    } catch (const Json::parse_error& e) {
        return fail(Code::invalid, "invalid JSON at byte " + std::to_string(e.byte) + " of the body");
    } catch (const Json::exception& e) {
        return fail(Code::invalid, "invalid JSON: a number is out of range");
    }
    if (const JsonNames names = read_json_names(body, max_depth); names.twice)
        return fail(Code::invalid,
                    "invalid JSON: key " + quote_json(names.twice->substr(0, 64)) + " stands twice in one object");
    return parsed;
}

}  // namespace

std::string Request::query_value(std::string_view name, std::string otherwise) const {
    auto found = query.lower_bound(std::string(name));
    return found == query.end() || found->first != name ? std::move(otherwise) : found->second;
}

bool Request::query_flag(std::string_view name, bool otherwise) const {
    auto found = query.lower_bound(std::string(name));
    if (found == query.end() || found->first != name) return otherwise;
    const std::string value = to_lower(trim(found->second));
    return !(value.empty() || value == "0" || value == "no" || value == "false" || value == "none");
}

Result<Json> Request::json() const {
    if (trim(body).empty()) return Json::object();
    GANTRY_TRY(Json parsed, parse_body(*this));
    if (!parsed.is_object()) return fail(Code::invalid, "invalid JSON: the body is not an object");
    return parsed;
}

Result<Json> Request::json_list() const {
    if (trim(body).empty()) return Json::array();
    GANTRY_TRY(Json parsed, parse_body(*this));
    if (parsed.is_null()) return Json::array();
    if (!parsed.is_array()) return fail(Code::invalid, "invalid JSON: the body is not a list");
    return parsed;
}

int Request::version_number() const {
    const std::size_t dot = version.find('.');
    if (dot == std::string::npos) return 0;
    const auto major = parse_int(std::string_view(version).substr(0, dot)),
               minor = parse_int(std::string_view(version).substr(dot + 1));
    return major && minor ? static_cast<int>(*major * 100 + *minor) : 0;
}

}  // namespace gantry::http
