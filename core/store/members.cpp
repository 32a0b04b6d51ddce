#include "core/store/members.hpp"

namespace gantry::store {

Members::Members(const Json& body) : body_(body) {
    if (!body.is_object()) problem_ = "its body is not a JSON object";
}

Members& Members::object(const char* name, Json& value) {
    if (const Json* found = find(name, true)) {
        if (found->is_object())
            value = *found;
        else
            mark(name, *found);
    }
    return *this;
}

Result<void> Members::result() const {
    if (problem_.empty()) return {};
    return fail(Code::corrupt, problem_);
}

const Json* Members::find(const char* name, bool required) {
    if (!body_.is_object()) return nullptr;
    auto found = body_.find(name);
    if (found != body_.end()) return &*found;
    if (required && problem_.empty()) problem_ = std::string("its record has no \"") + name + "\"";
    return nullptr;
}

void Members::mark(const char* name, const Json& found) {
    if (!problem_.empty()) return;
    // A long value would drown the message that names it.
    std::string shown = found.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (shown.size() > 60) shown = std::string("what it is: ") + found.type_name();
    problem_ = std::string("its record's \"") + name + "\" cannot be " + shown;
}

}  // namespace gantry::store
