#include "core/build/dockerignore.hpp"

#include <algorithm>
#include <optional>

#include "core/base/text.hpp"

namespace gantry::build {
namespace {

using Tokens = std::vector<IgnoreToken>;
using Kind = IgnoreToken::Kind;

constexpr std::string_view blanks = " \t\r\n\v\f";

std::string_view trim_blanks(std::string_view text) {
    std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// The character at `text`[0] and its length; a byte that is not UTF-8 stands for itself.
std::pair<char32_t, std::size_t> first_character(std::string_view text) {
    auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = at(0);
    std::size_t length = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
    if (length == 1 || text.size() < length) return {lead, 1};
    auto value = static_cast<char32_t>(lead & (0xff >> (length + 1)));
    for (std::size_t i = 1; i < length; ++i) {
        if ((at(i) & 0xc0) != 0x80) return {lead, 1};
        value = (value << 6) | (at(i) & 0x3fu);
    }
    return {value, length};
}

// One character of a class, "\\" taken off; nullopt: the class ends where a character must be.
std::optional<char32_t> class_character(std::string_view& rest) {
    if (rest.empty() || rest[0] == '-' || rest[0] == ']') return std::nullopt;
    if (rest[0] == '\\') rest.remove_prefix(1);
    if (rest.empty()) return std::nullopt;
    auto [character, length] = first_character(rest);
    rest.remove_prefix(length);
    return character;
}

// "[...]" of which the bracket is gone already.
std::optional<IgnoreToken> read_class(std::string_view& rest) {
    IgnoreToken token{Kind::one_of, {}, {}, false};
    if (rest.starts_with('^')) {
        token.negated = true;
        rest.remove_prefix(1);
    }
    while (!(rest.starts_with(']') && !token.ranges.empty())) {
        auto low = class_character(rest);
        if (!low || rest.empty()) return std::nullopt;
        auto high = low;
        if (rest[0] == '-') {
            rest.remove_prefix(1);
            high = class_character(rest);
            if (!high || rest.empty()) return std::nullopt;
        }
        token.ranges.emplace_back(*low, *high);
    }
    rest.remove_prefix(1);
    return token;
}

void add_literal(Tokens& tokens, std::string_view text) {
    if (tokens.empty() || tokens.back().kind != Kind::literal) tokens.push_back({Kind::literal, {}, {}, false});
    tokens.back().text += text;
}

// nullopt: malformed. `double_star`: "**" has its own meaning (not so in filepath.Match).
std::optional<Tokens> tokenize(std::string_view rest, bool double_star) {
    Tokens tokens;
    while (!rest.empty()) {
        const char c = rest[0];
        rest.remove_prefix(1);
        if (c == '*' && double_star && rest.starts_with('*')) {
            rest.remove_prefix(1);
            if (rest.starts_with('/')) rest.remove_prefix(1);
            tokens.push_back({rest.empty() ? Kind::everything : Kind::directories, {}, {}, false});
        } else if (c == '*') {
            if (tokens.empty() || tokens.back().kind != Kind::star) tokens.push_back({Kind::star, {}, {}, false});
        } else if (c == '?') {
            tokens.push_back({Kind::any, {}, {}, false});
        } else if (c == '[') {
            auto token = read_class(rest);
            if (!token) return std::nullopt;
            tokens.push_back(std::move(*token));
        } else if (c == '\\') {
            if (rest.empty()) return std::nullopt;
            add_literal(tokens, rest.substr(0, 1));
            rest.remove_prefix(1);
        } else {
            add_literal(tokens, {&c, 1});
        }
    }
    return tokens;
}

// How much of `path` the token takes; npos: it does not fit.
std::size_t take_one(const IgnoreToken& token, std::string_view path) {
    if (token.kind == Kind::literal) return path.starts_with(token.text) ? token.text.size() : std::string_view::npos;
    if (path.empty()) return std::string_view::npos;
    auto [character, length] = first_character(path);
    if (token.kind == Kind::any) return character == '/' ? std::string_view::npos : length;
    bool inside = std::any_of(token.ranges.begin(), token.ranges.end(),
                              [c = character](const auto& range) { return c >= range.first && c <= range.second; });
    return inside != token.negated ? length : std::string_view::npos;
}

// Where the token takes each of `places` in the path.
std::vector<bool> advance(const IgnoreToken& token, std::string_view path, const std::vector<bool>& places) {
    std::vector<bool> next(path.size() + 1, false);
    bool reached = false;  // some place at or before this one, in the same name for a star
    for (std::size_t at = 0; at <= path.size(); ++at) {
        reached = reached || places[at];
        switch (token.kind) {
        case Kind::everything: next[at] = next[at] || reached; break;
        case Kind::directories:
            // "(.*/)?": from a place to itself, or to behind any later slash.
            if (places[at]) next[at] = true;
            if (at < path.size() && path[at] == '/' && reached) next[at + 1] = true;
            break;
        case Kind::star:
            if (reached) next[at] = true;
            if (at < path.size() && path[at] == '/') reached = false;
            break;
        default:
            if (!places[at]) break;
            if (std::size_t length = take_one(token, path.substr(at)); length != std::string_view::npos)
                next[at + length] = true;
        }
    }
    return next;
}

std::vector<bool> first_place(std::string_view path) {
    std::vector<bool> places(path.size() + 1, false);
    places[0] = true;
    return places;
}

// Every token against every place of the path once: the work is their product at most, whatever the pattern.
bool match_tokens(const Tokens& tokens, std::string_view path) {
    std::vector<bool> places = first_place(path);
    for (const IgnoreToken& token : tokens) places = advance(token, path, places);
    return places[path.size()];
}

// Whether the tokens match `directory` ("a/b/"), one that holds it, or what has it as its beginning: the path is gone and
// the pattern is not. A class may take a slash, so this is not done name by name.
bool match_at_or_below(const Tokens& tokens, std::string_view directory) {
    std::vector<bool> places = first_place(directory);
    for (const IgnoreToken& token : tokens) {
        if (token.kind == Kind::literal)
            for (std::size_t at = 0; at < directory.size(); ++at)
                if (places[at] && token.text.starts_with(directory.substr(at))) return true;
        places = advance(token, directory, places);
        if (places[directory.size()]) return true;
    }
    for (std::size_t at = 0; at < directory.size(); ++at)
        if (places[at] && directory[at] == '/') return true;
    return false;
}

}  // namespace

std::string clean_path(std::string_view path) {
    const bool rooted = path.starts_with('/');
    std::vector<std::string_view> parts;
    while (!path.empty()) {
        std::size_t slash = path.find('/');
        std::string_view part = path.substr(0, slash);
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        if (part.empty() || part == ".") continue;
        if (part != "..")
            parts.push_back(part);
        else if (!parts.empty() && parts.back() != "..")
            parts.pop_back();
        else if (!rooted)
            parts.push_back(part);
    }
    std::string clean = rooted ? "/" : "";
    for (std::size_t i = 0; i < parts.size(); ++i) clean.append(i ? "/" : "").append(parts[i]);
    return clean.empty() ? "." : clean;
}

std::vector<std::string> read_dockerignore(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    std::vector<std::string> patterns;
    while (!text.empty()) {
        std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.starts_with('#')) continue;
        line = trim_blanks(line);
        if (line.empty()) continue;
        const bool exception = line[0] == '!';
        if (exception) line = trim_blanks(line.substr(1));
        std::string pattern;
        if (!line.empty()) {
            pattern = clean_path(line);
            if (pattern.size() > 1 && pattern[0] == '/') pattern.erase(0, 1);
        }
        patterns.push_back((exception ? "!" : "") + pattern);
    }
    return patterns;
}

Result<bool> match_path(std::string_view pattern, std::string_view path) {
    auto tokens = tokenize(pattern, false);
    if (!tokens) return fail(Code::invalid, "malformed pattern " + quote_json(pattern.substr(0, 200)));
    return match_tokens(*tokens, path);
}

Result<IgnoreMatcher> IgnoreMatcher::parse(std::span<const std::string> patterns) {
    IgnoreMatcher matcher;
    for (const std::string& given : patterns) {
        std::string_view trimmed = trim_blanks(given);
        if (trimmed.empty()) continue;
        std::string text = clean_path(trimmed);
        const bool exception = text[0] == '!';
        if (exception) text.erase(0, 1);
        if (text.empty()) return fail(Code::invalid, "illegal exclusion pattern \"!\": a path must follow");
        GANTRY_CHECK(matcher.add(std::move(text), exception));
    }
    return matcher;
}

Result<IgnoreMatcher> IgnoreMatcher::all_but(std::span<const std::string> paths) {
    IgnoreMatcher matcher;
    GANTRY_CHECK(matcher.add("**", false));
    for (const std::string& path : paths) {
        std::string text = clean_path(path);
        if (text.size() > 1 && text[0] == '/') text.erase(0, 1);
        GANTRY_CHECK(matcher.add(text == "." || text == "/" ? "**" : std::move(text), true));
    }
    return matcher;
}

Result<void> IgnoreMatcher::add(std::string text, bool exception) {
    // Go checks with filepath.Match, to which "**" is "*": what is malformed is the same.
    auto tokens = tokenize(text, true);
    if (!tokens) return fail(Code::invalid, "malformed pattern " + quote_json(std::string_view(text).substr(0, 200)));
    const bool escaped = text.find('\\') != std::string::npos;
    const auto literals = static_cast<std::size_t>(std::count_if(
        tokens->begin(), tokens->end(), [](const IgnoreToken& token) { return token.kind == Kind::literal; }));
    const bool one_wildcard = tokens->size() == 2 && literals == 1 && !escaped;
    // Without other wildcards "a/**" is all that begins with "a/", and "**/a" all that ends with "/a"; these are not quite
    // what the general rule gives ("**a" takes "xa" too), and Docker's files rely on them.
    Shape shape = Shape::tokens;
    if (literals == tokens->size() && !escaped)
        shape = Shape::exact;
    else if (tokens->size() == 1 && (*tokens)[0].kind == Kind::everything && text == "**")
        shape = Shape::suffix;
    else if (one_wildcard && tokens->back().kind == Kind::everything)
        shape = Shape::prefix;
    else if (one_wildcard && tokens->front().kind == Kind::directories)
        shape = Shape::suffix;
    exceptions_ = exceptions_ || exception;
    patterns_.push_back({exception, shape, std::move(text), std::move(*tokens)});
    return {};
}

bool IgnoreMatcher::matches(const Pattern& pattern, std::string_view path) {
    std::string_view text = pattern.text;
    switch (pattern.shape) {
    case Shape::exact: return path == text;
    case Shape::prefix: return path.starts_with(text.substr(0, text.size() - 2));
    case Shape::suffix: {
        std::string_view end = text.substr(2);
        if (path.ends_with(end)) return true;
        return end.starts_with('/') && path == end.substr(1);
    }
    case Shape::tokens: return match_tokens(pattern.tokens, path);
    }
    return false;
}

IgnoreMatcher::Verdict IgnoreMatcher::judge(std::string_view path, const Verdict* parent) const {
    Verdict verdict{false, std::vector<bool>(patterns_.size(), false)};
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
        const bool matched = (parent && parent->matched[i]) || matches(patterns_[i], path);
        verdict.matched[i] = matched;
        if (matched) verdict.ignored = !patterns_[i].exception;
    }
    return verdict;
}

bool IgnoreMatcher::ignores(std::string_view path) const {
    std::optional<Verdict> verdict;
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1))
        verdict = judge(path.substr(0, slash), verdict ? &*verdict : nullptr);
    return judge(path, verdict ? &*verdict : nullptr).ignored;
}

bool IgnoreMatcher::may_keep_below(std::string_view directory) const {
    if (!exceptions_) return false;
    const std::string within = std::string(directory) + "/";
    return std::any_of(patterns_.begin(), patterns_.end(), [&](const Pattern& pattern) {
        return pattern.exception && match_at_or_below(pattern.tokens, within);
    });
}

}  // namespace gantry::build
