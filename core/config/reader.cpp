#include "core/config/reader.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace gantry::config {

std::string found_in_words(const Json& json) {
    if (json.is_object()) return "an object";
    if (json.is_array()) return "a list";
    if (json.is_null()) return "null";
    const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    return json.is_string() ? "the text " + text.substr(0, 80) : json.is_boolean() ? text : "the number " + text;
}

void Reader::problem(const std::string& pointer, const std::string& what) {
    const Place place = locator_.find(pointer);
    std::string key = pointer.empty() ? std::string() : pointer.substr(1);
    std::replace(key.begin(), key.end(), '/', '.');
    problems_.emplace_back(place, (key.empty() ? "" : "\"" + key + "\": ") + what);
}

std::vector<std::string> Reader::problems() const {
    auto sorted = problems_;
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<std::string> lines;
    for (const auto& [place, text] : sorted) {
        std::string line = file_ + ":" + std::to_string(place.line) + ":" + std::to_string(place.column) + ": " + text;
        // Names of the file's own making must not break the line.
        for (char& c : line)
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
        lines.push_back(std::move(line));
    }
    return lines;
}

bool Reader::object(const Json& json, const std::string& pointer, std::span<const std::string> known) {
    if (!json.is_object()) {
        problem(pointer, "found " + found_in_words(json) + ", must be an object");
        return false;
    }
    for (const auto& [key, value] : json.items()) {
        if (known.empty() || std::find(known.begin(), known.end(), key) != known.end()) continue;
        const std::string near = nearest(key, known);
        problem(pointer + "/" + key, "unknown key; known are " + join(known, ", ") +
                                         (near.empty() ? "" : "; did you mean \"" + near + "\"?"));
    }
    return true;
}

void Reader::text(const Json& json, const std::string& pointer, const char* key, std::string* out) {
    auto found = json.find(key);
    if (found == json.end()) return;
    if (!found->is_string())
        return problem(pointer + "/" + key, "found " + found_in_words(*found) + ", must be a text");
    *out = found->get<std::string>();
}

void Reader::choice(const Json& json, const std::string& pointer, const char* key, std::span<const std::string> allowed,
                    std::string* out) {
    auto found = json.find(key);
    if (found == json.end()) return;
    if (found->is_string() && std::find(allowed.begin(), allowed.end(), found->get<std::string>()) != allowed.end()) {
        *out = found->get<std::string>();
        return;
    }
    const std::string near = found->is_string() ? nearest(found->get<std::string>(), allowed) : std::string();
    problem(pointer + "/" + key, "found " + found_in_words(*found) + ", must be one of " + join(allowed, ", ") +
                                     (near.empty() ? "" : "; did you mean \"" + near + "\"?"));
}

void Reader::number(const Json& json, const std::string& pointer, const char* key, std::int64_t least,
                    std::int64_t most, std::int64_t* out) {
    auto found = json.find(key);
    if (found == json.end()) return;
    const bool fits = found->is_number_integer() &&
                      !(found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX) &&
                      found->get<std::int64_t>() >= least && found->get<std::int64_t>() <= most;
    if (!fits)
        return problem(pointer + "/" + key, "found " + found_in_words(*found) + ", must be a whole number from " +
                                                std::to_string(least) + " to " + std::to_string(most));
    *out = found->get<std::int64_t>();
}

void Reader::flag(const Json& json, const std::string& pointer, const char* key, bool* out) {
    auto found = json.find(key);
    if (found == json.end()) return;
    if (!found->is_boolean())
        return problem(pointer + "/" + key, "found " + found_in_words(*found) + ", must be true or false");
    *out = found->get<bool>();
}

void Reader::texts(const Json& json, const std::string& pointer, const char* key, std::vector<std::string>* out,
                   const std::function<std::string(const std::string&)>& wrong) {
    auto found = json.find(key);
    if (found == json.end()) return;
    const std::string here = pointer + "/" + key;
    if (!found->is_array()) return problem(here, "found " + found_in_words(*found) + ", must be a list of texts");
    out->clear();
    for (std::size_t i = 0; i < found->size(); ++i) {
        const Json& item = (*found)[i];
        const std::string text = item.is_string() ? item.get<std::string>() : std::string();
        const std::string what = item.is_string() ? wrong(text) : "must be a text";
        if (what.empty())
            out->push_back(text);
        else
            problem(here + "/" + std::to_string(i), "found " + found_in_words(item) + ", " + what);
    }
}

}  // namespace gantry::config
