#include "core/daemon/http/target.hpp"

#include <cctype>
#include <optional>

#include "core/base/text.hpp"

namespace gantry::http {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

enum class Part { path, query };

std::optional<std::string> decode(std::string_view text, Part part) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            if (i + 2 >= text.size()) return std::nullopt;
            const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            c = static_cast<char>(high * 16 + low);
            i += 2;
            if (part == Part::path) {
                if (c == '/') {
                    out += encoded_slash;
                    continue;
                }
                if (static_cast<unsigned char>(c) < 0x20) return std::nullopt;
            }
        } else if (c == '+' && part == Part::query) {
            c = ' ';
        } else if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) {
            return std::nullopt;
        }
        if (c == '\0' || c == 0x7f || (part == Part::path && c == '\\')) return std::nullopt;
        out += c;
    }
    return out;
}

bool has_dot_segment(std::string_view path) {
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= path.size(); ++i) {
        if (i < path.size() && path[i] != '/' && path[i] != encoded_slash) continue;
        const std::string_view segment = path.substr(begin, i - begin);
        if (segment == "." || segment == "..") return true;
        begin = i + 1;
    }
    return false;
}

struct Version {
    int major = 0, minor = 0;
    auto operator<=>(const Version&) const = default;
};

// Digits without a leading zero, six at most; -1 for anything else.
int version_part(std::string_view text) {
    if (text.empty() || text.size() > 6 || (text.size() > 1 && text[0] == '0')) return -1;
    for (char c : text)
        if (c < '0' || c > '9') return -1;
    return static_cast<int>(*parse_int(text));
}

std::optional<Version> parse_version(std::string_view text) {
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    Version version{version_part(text.substr(0, dot)), version_part(text.substr(dot + 1))};
    if (version.major < 0 || version.minor < 0) return std::nullopt;
    return version;
}

// Takes "/v1.47" off the front of `path`, where it is there.
Result<std::string> take_version(std::string& path) {
    if (!path.starts_with("/v")) return std::string(newest_version);
    const std::size_t slash = path.find('/', 1);
    const std::string text = path.substr(2, slash == std::string::npos ? slash : slash - 2);
    auto version = parse_version(text);
    if (!version) return std::string(newest_version);
    if (*version > *parse_version(newest_version))
        return fail(Code::invalid, "client version " + text + " is too new. Maximum supported API version is " +
                                       std::string(newest_version));
    if (*version < *parse_version(oldest_version))
        return fail(Code::invalid, "client version " + text + " is too old. Minimum supported API version is " +
                                       std::string(oldest_version) + ", please upgrade your client to a newer version");
    path = slash == std::string::npos ? "/" : path.substr(slash);
    return text;
}

Result<void> parse_query(std::string_view text, std::multimap<std::string, std::string>& query) {
    for (std::string_view pair : split(text, '&')) {
        if (pair.empty()) continue;
        const std::size_t equals = pair.find('=');
        auto key = decode(pair.substr(0, equals), Part::query);
        auto value =
            decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), Part::query);
        if (!key || !value) return fail(Code::invalid, "invalid query parameter " + quote_json(pair.substr(0, 64)));
        query.emplace(std::move(*key), std::move(*value));
    }
    return {};
}

}  // namespace

Result<Target> parse_target(std::string_view text) {
    if (!text.starts_with('/')) return fail(Code::invalid, "invalid request target: it must begin with \"/\"");
    if (text.find('#') != std::string_view::npos)
        return fail(Code::invalid, "invalid request target: it has a fragment");
    const std::size_t question = text.find('?');
    auto path = decode(text.substr(0, question), Part::path);
    if (!path || has_dot_segment(*path)) return fail(Code::invalid, "invalid path in the request");
    Target target;
    target.path = std::move(*path);
    GANTRY_TRY(target.version, take_version(target.path));
    if (question != std::string_view::npos) GANTRY_CHECK(parse_query(text.substr(question + 1), target.query));
    return target;
}

}  // namespace gantry::http
