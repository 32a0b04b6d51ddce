#include "core/config/locator.hpp"

#include <algorithm>

namespace gantry::config {

Place place_of(std::string_view text, std::size_t byte) {
    Place place;
    for (std::size_t i = 0; i < byte && i < text.size(); ++i) {
        ++place.column;
        if (text[i] == '\n') place = {place.line + 1, 1};
    }
    return place;
}

Locator::Locator(std::string_view text) : text_(text) { value("", 0); }

Place Locator::find(const std::string& pointer) const {
    auto found = places_.find(pointer);
    return found == places_.end() ? Place{} : place_of(text_, found->second);
}

void Locator::skip_blanks() {
    while (at_ < text_.size()) {
        const char c = text_[at_];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            ++at_;
        } else if (text_.substr(at_, 2) == "//") {
            at_ = std::min(text_.find('\n', at_), text_.size());
        } else if (text_.substr(at_, 2) == "/*") {
            const std::size_t end = text_.find("*/", at_ + 2);
            at_ = end == std::string_view::npos ? text_.size() : end + 2;
        } else {
            return;
        }
    }
}

// The string at the present place, decoded by the parser that has accepted it.
std::string Locator::string() {
    const std::size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2u : 1u;
    ++at_;
    const Json json = Json::parse(text_.substr(begin, at_ - begin), nullptr, false);
    return json.is_string() ? json.get<std::string>() : std::string();
}

void Locator::value(const std::string& pointer, int depth) {
    if (depth > 32) {
        too_deep_ = true;
        at_ = text_.size();
    }
    skip_blanks();
    places_.emplace(pointer, at_);
    if (at_ >= text_.size()) return;
    const char open = text_[at_];
    if (open == '"') {
        string();
    } else if (open == '{' || open == '[') {
        ++at_;
        for (std::size_t index = 0; at_ < text_.size(); ++index) {
            skip_blanks();
            if (at_ >= text_.size()) return;
            if (text_[at_] == '}' || text_[at_] == ']') {
                ++at_;
                return;
            }
            if (text_[at_] == ',') {
                ++at_;
                --index;
                continue;
            }
            std::string inner = pointer + "/" + std::to_string(index);
            if (open == '{') {
                const std::size_t key_at = at_;
                const std::string key = string();
                inner = pointer + "/" + key;
                if (!places_.emplace(inner, key_at).second) {
                    if (std::find(twice_.begin(), twice_.end(), inner) == twice_.end()) twice_.push_back(inner);
                    places_[inner] = key_at;
                }
                skip_blanks();
                ++at_;  // the colon
            }
            value(inner, depth + 1);
        }
    } else {
        while (at_ < text_.size() && std::string_view(",]} \t\r\n/").find(text_[at_]) == std::string_view::npos) ++at_;
    }
}

}  // namespace gantry::config
