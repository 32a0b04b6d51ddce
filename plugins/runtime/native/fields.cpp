#include "fields.hpp"

#include <algorithm>

namespace gantry::native {

Fields::Fields(const Json& object, std::string where) : json_(&object), where_(std::move(where)) {
    if (object.is_object()) return;
    failed_ = true;
    error_ = fail(Code::invalid, "\"" + where_ + "\" is not an object");
}

std::string Fields::name(std::string_view key) const {
    return where_.empty() ? std::string(key) : where_ + "." + std::string(key);
}

const Json* Fields::find(const char* key) {
    seen_.emplace_back(key);
    if (failed_) return nullptr;
    const auto found = json_->find(key);
    return found == json_->end() || found->is_null() ? nullptr : &*found;
}

bool Fields::has(const char* key) const {
    if (failed_) return false;
    const auto found = json_->find(key);
    return found != json_->end() && !found->is_null();
}

void Fields::wrong(const char* key, std::string_view expected) {
    if (failed_) return;
    failed_ = true;
    std::string value = (*json_)[key].dump(-1, ' ', true, Json::error_handler_t::replace);
    if (value.size() > 80) value = value.substr(0, 77) + "...";
    error_ = fail(Code::invalid, "\"" + name(key) + "\" is " + value + ", not " + std::string(expected));
}

void Fields::text(const char* key, std::string& out) {
    const Json* value = find(key);
    if (!value) return;
    if (!value->is_string()) return wrong(key, "text");
    out = value->get<std::string>();
    if (out.find('\0') != std::string::npos) wrong(key, "text without NUL bytes");
}

void Fields::boolean(const char* key, bool& out) {
    const Json* value = find(key);
    if (!value) return;
    if (!value->is_boolean()) return wrong(key, "true or false");
    out = value->get<bool>();
}

void Fields::number(const char* key, std::int64_t& out, std::int64_t low, std::int64_t high) {
    const Json* value = find(key);
    if (!value) return;
    const std::string range = low == INT64_MIN && high == INT64_MAX
                                  ? "a whole number"
                                  : "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
    if (!value->is_number_integer()) return wrong(key, range);
    if (value->is_number_unsigned() && value->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
        // RLIM_INFINITY and its like: the largest number stands for "no limit".
        if (high != INT64_MAX) return wrong(key, range);
        out = INT64_MAX;
        return;
    }
    const auto n = value->get<std::int64_t>();
    if (n < low || n > high) return wrong(key, range);
    out = n;
}

void Fields::strings(const char* key, std::vector<std::string>& out) {
    const Json* value = find(key);
    if (!value) return;
    if (!value->is_array()) return wrong(key, "a list of text");
    out.clear();
    out.reserve(value->size());
    for (const Json& item : *value) {
        if (!item.is_string() || item.get_ref<const std::string&>().find('\0') != std::string::npos)
            return wrong(key, "a list of text");
        out.push_back(item.get<std::string>());
    }
}

const Json* Fields::object(const char* key) {
    const Json* value = find(key);
    if (value && !value->is_object()) {
        wrong(key, "an object");
        return nullptr;
    }
    return value;
}

const Json* Fields::array(const char* key) {
    const Json* value = find(key);
    if (value && !value->is_array()) {
        wrong(key, "a list");
        return nullptr;
    }
    return value;
}

void Fields::ignore(const char* key) { (void)find(key); }

void Fields::refuse(const char* key) {
    const Json* value = find(key);
    if (!value || value->empty() || (value->is_string() && value->get_ref<const std::string&>().empty())) return;
    failed_ = true;
    error_ = fail(Code::unsupported, "\"" + name(key) + "\" is not supported by this runtime");
}

Result<void> Fields::finish() {
    if (failed_) return error_;
    for (const auto& [key, value] : json_->items())
        if (std::find(seen_.begin(), seen_.end(), key) == seen_.end())
            return fail(Code::unsupported, "\"" + name(key) + "\" is not known to this runtime");
    return {};
}

}  // namespace gantry::native
