#include "core/plugin/member_reader.hpp"

#include "core/base/text.hpp"

namespace gantry::plugin {
namespace {

const Json& nothing() {
    static const Json null;
    return null;
}

}  // namespace

const Json& MemberReader::find(std::string_view name) const {
    if (!object_.is_object()) return nothing();
    const std::string wanted = to_lower(name);
    // Names that differ only in case were refused with the document.
    for (const auto& [key, value] : object_.items())
        if (key.size() == wanted.size() && to_lower(key) == wanted) return value;
    return nothing();
}

std::string MemberReader::path(std::string_view name) const {
    return where_.empty() ? std::string(name) : where_ + "." + std::string(name);
}

void MemberReader::refuse(Error error) {
    if (!problem_.first) problem_.first = std::move(error);
}

void MemberReader::refuse(std::string_view name, std::string_view found, std::string_view allowed) {
    refuse(fail(Code::invalid,
                path(name) + ": found " + std::string(found.substr(0, 200)) + ", allowed: " + std::string(allowed)));
}

void MemberReader::expect(std::string_view name, const char* what, const Json& found) {
    refuse(fail(Code::invalid, path(name) + ": expected " + what + ", found " +
                                   (found.is_array()     ? "a list"
                                    : found.is_object()  ? "an object"
                                    : found.is_string()  ? "a text"
                                    : found.is_number()  ? "a number"
                                    : found.is_boolean() ? "a flag"
                                                         : "null")));
}

std::string MemberReader::checked_text(std::string_view name, const Json& value) {
    if (!value.is_string()) {
        expect(name, "a text", value);
        return {};
    }
    std::string text = value.get<std::string>();
    if (text.find('\0') != std::string::npos) {
        refuse(name, "a text with a null byte", "one without");
        return {};
    }
    if (text.size() > problem_.longest_text) {
        refuse(name, "a text of " + std::to_string(text.size()) + " bytes",
               "up to " + std::to_string(problem_.longest_text));
        return {};
    }
    return text;
}

std::string MemberReader::text(std::string_view name) {
    const Json& value = find(name);
    return value.is_null() ? std::string() : checked_text(name, value);
}

Json MemberReader::text_or_null(std::string_view name) {
    const Json& value = find(name);
    return value.is_null() ? Json() : Json(checked_text(name, value));
}

bool MemberReader::flag(std::string_view name) {
    const Json& value = find(name);
    if (value.is_null()) return false;
    if (!value.is_boolean()) expect(name, "a flag", value);
    return value.is_boolean() && value.get<bool>();
}

std::int64_t MemberReader::number(std::string_view name, std::int64_t most) {
    const Json& value = find(name);
    if (value.is_null()) return 0;
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > static_cast<std::uint64_t>(most)) {
        refuse(name, value.dump(-1, ' ', false, Json::error_handler_t::replace),
               "a whole number up to " + std::to_string(most));
        return 0;
    }
    return value.get<std::int64_t>();
}

Json MemberReader::words(std::string_view name) {
    const Json& value = find(name);
    Json words = Json::array();
    if (value.is_null()) return words;
    if (!value.is_array()) {
        expect(name, "a list", value);
        return words;
    }
    if (value.size() > problem_.most_items) {
        refuse(name, std::to_string(value.size()) + " of them", "up to " + std::to_string(problem_.most_items));
        return words;
    }
    for (const Json& word : value) words.push_back(checked_text(name, word));
    return words;
}

MemberReader MemberReader::object(std::string_view name) {
    const Json& value = find(name);
    if (!value.is_null() && !value.is_object()) expect(name, "an object", value);
    return {value, path(name), problem_};
}

Json MemberReader::list(std::string_view name, const std::function<Json(MemberReader)>& each) {
    const Json& value = find(name);
    Json list = Json::array();
    if (value.is_null()) return list;
    if (!value.is_array()) {
        expect(name, "a list", value);
        return list;
    }
    if (value.size() > problem_.most_items) {
        refuse(name, std::to_string(value.size()) + " of them", "up to " + std::to_string(problem_.most_items));
        return list;
    }
    std::size_t at = 0;
    for (const Json& item : value) {
        const std::string where = path(name) + "[" + std::to_string(at++) + "]";
        if (!item.is_object()) {
            refuse(fail(Code::invalid, where + ": expected an object"));
            return list;
        }
        list.push_back(each({item, where, problem_}));
    }
    return list;
}

}  // namespace gantry::plugin
