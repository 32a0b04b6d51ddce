#include "core/build/dockerfile/words.hpp"

#include <gantry/json.hpp>

#include "core/base/text.hpp"

namespace gantry::build::dockerfile {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'; }

}  // namespace

std::string to_upper(std::string_view text) {
    std::string upper(text);
    for (char& c : upper)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return upper;
}

std::string one_line(std::string_view text) {
    std::string line = Json::parse(quote_json(text), nullptr, false).get<std::string>();
    for (char& c : line)
        if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
    return line;
}

std::vector<std::string> blank_words(std::string_view text) {
    std::vector<std::string> words;
    for (std::size_t at = 0; at < text.size();) {
        while (at < text.size() && is_blank(text[at])) ++at;
        std::size_t end = at;
        while (end < text.size() && !is_blank(text[end])) ++end;
        if (end > at) words.emplace_back(text.substr(at, end - at));
        at = end;
    }
    return words;
}

std::vector<std::string> shell_words(std::string_view text, char escape) {
    std::vector<std::string> words;
    for (std::size_t at = 0; at < text.size();) {
        while (at < text.size() && is_blank(text[at])) ++at;
        std::size_t end = at;
        char quote = 0;
        for (; end < text.size() && (quote || !is_blank(text[end])); ++end) {
            char c = text[end];
            if (c == escape && quote != '\'' && end + 1 < text.size())
                ++end;
            else if (quote ? c == quote : (c == '"' || c == '\''))
                quote = quote ? 0 : c;
        }
        if (end > at) words.emplace_back(text.substr(at, end - at));
        at = end;
    }
    return words;
}

std::optional<std::vector<std::string>> json_words(std::string_view text) {
    text = trim(text);
    if (!text.starts_with('[')) return std::nullopt;
    Json list = Json::parse(text, nullptr, false);
    if (!list.is_array()) return std::nullopt;
    std::vector<std::string> words;
    for (const Json& word : list) {
        if (!word.is_string()) return std::nullopt;
        words.push_back(word.get<std::string>());
    }
    return words;
}

std::vector<Flag> take_flags(std::string_view* text, char escape) {
    std::vector<Flag> flags;
    for (;;) {
        *text = trim(*text);
        if (!text->starts_with("--")) return flags;
        std::string word;
        char quote = 0;
        std::size_t at = 0;
        for (; at < text->size() && (quote || !is_blank((*text)[at])); ++at) {
            char c = (*text)[at];
            if (c == escape && at + 1 < text->size())
                word += (*text)[++at];
            else if (quote ? c == quote : (c == '"' || c == '\''))
                quote = quote ? 0 : c;
            else
                word += c;
        }
        text->remove_prefix(at);
        if (word == "--") {
            *text = trim(*text);
            return flags;
        }
        std::size_t equals = word.find('=');
        Flag flag{word.substr(2, equals == std::string::npos ? equals : equals - 2), std::nullopt};
        if (equals != std::string::npos) flag.value = word.substr(equals + 1);
        flags.push_back(std::move(flag));
    }
}

}  // namespace gantry::build::dockerfile
