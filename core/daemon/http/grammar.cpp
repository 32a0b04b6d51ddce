#include "core/daemon/http/grammar.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"

namespace gantry::http {
namespace {

bool is_token(char c) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
    return c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool all_tokens(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_token); }

Verdict bad(std::string message) { return {400, std::move(message)}; }

Verdict check_request_line(std::string_view line, const Limits& limits) {
    if (line.size() > limits.request_line)
        return {414, "the request line is longer than " + std::to_string(limits.request_line) + " bytes"};
    const std::size_t first = line.find(' '), last = line.rfind(' ');
    if (first == std::string_view::npos || last == first || line.find(' ', first + 1) != last)
        return bad("malformed request line");
    const std::string_view method = line.substr(0, first), version = line.substr(last + 1);
    if (!all_tokens(method)) return bad("malformed method");
    if (version != "HTTP/1.1" && version != "HTTP/1.0")
        return version.starts_with("HTTP/") ? Verdict{505, "the only version spoken here is HTTP/1.1"}
                                            : bad("malformed request line");
    for (char c : line)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return bad("a control character in the request line");
    return {};
}

struct Seen {
    int content_length = 0, transfer_encoding = 0, host = 0;
};

Verdict check_field_line(std::string_view line, Seen& seen) {
    if (line[0] == ' ' || line[0] == '\t') return bad("a folded header line");
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !all_tokens(line.substr(0, colon))) return bad("malformed header line");
    const std::string_view value = trim(line.substr(colon + 1));
    for (char c : value)
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f)
            return bad("a control character in a header");
    const std::string name = to_lower(line.substr(0, colon));
    if (name == "content-length") {
        if (++seen.content_length > 1) return bad("more than one Content-Length");
        if (value.empty() || value.size() > 18 ||
            !std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; }))
            return bad("malformed Content-Length");
    } else if (name == "transfer-encoding") {
        if (++seen.transfer_encoding > 1) return bad("more than one Transfer-Encoding");
        if (to_lower(value) != "chunked") return {501, "unsupported Transfer-Encoding"};
    } else if (name == "host") {
        if (++seen.host > 1) return bad("more than one Host");
    }
    return {};
}

// A "\n" without "\r" before it, or a "\r" without "\n" after it (the last byte may still get one).
bool has_bare_line_end(std::string_view text) {
    for (std::size_t i = text.find_first_of("\r\n"); i != std::string_view::npos; i = text.find_first_of("\r\n", i)) {
        if (text[i] == '\n') return true;
        if (i + 1 == text.size()) return false;
        if (text[i + 1] != '\n') return true;
        i += 2;
    }
    return false;
}

}  // namespace

Verdict check_partial_head(std::string_view head, const Limits& limits) {
    if (has_bare_line_end(head)) return bad("a line that does not end with CR LF");
    if (head.find('\0') != std::string_view::npos) return bad("a NUL in the header");
    if (std::min(head.find("\r\n"), head.size()) > limits.request_line)
        return {414, "the request line is longer than " + std::to_string(limits.request_line) + " bytes"};
    if (head.size() > limits.header_bytes)
        return {431, "the header is longer than " + std::to_string(limits.header_bytes) + " bytes"};
    return {};
}

Verdict check_head(std::string_view head, const Limits& limits) {
    if (Verdict early = check_partial_head(head, limits)) return early;
    std::size_t end = head.find("\r\n");
    if (Verdict line = check_request_line(head.substr(0, end), limits)) return line;
    Seen seen;
    std::size_t count = 0;
    for (std::size_t begin = end + 2; begin < head.size(); begin = end + 2) {
        end = head.find("\r\n", begin);
        if (end == std::string_view::npos || end == begin) break;
        if (++count > limits.header_count)
            return {431, "more than " + std::to_string(limits.header_count) + " header lines"};
        if (Verdict field = check_field_line(head.substr(begin, end - begin), seen)) return field;
    }
    if (seen.content_length && seen.transfer_encoding) return bad("Content-Length beside Transfer-Encoding");
    return {};
}

bool host_is_local(std::string_view host) {
    if (host.empty() || host[0] == '/') return true;
    std::string name = to_lower(host);
    if (name.starts_with("%2f")) return true;  // the socket's path, as requests-unixsocket and older Go clients send it
    if (name == "[::1]" || name.starts_with("[::1]:")) return true;
    if (const std::size_t colon = name.rfind(':'); colon != std::string::npos) name.resize(colon);
    if (name == "127.0.0.1" || name.ends_with(".localhost")) return true;
    if (auto path = from_hex(name); path && path->starts_with('/')) return true;  // hyperlocal's spelling of a path
    // A name without a dot is nobody's domain: "localhost", "docker", "d".
    return std::all_of(name.begin(), name.end(),
                       [](char c) { return c == '-' || c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

Verdict check_fields(const std::map<std::string, std::string>& headers, bool http11, Peer peer) {
    auto value = [&](const char* name) -> const std::string* {
        auto found = headers.find(name);
        return found == headers.end() ? nullptr : &found->second;
    };
    const std::string* host = value("host");
    if (!host && http11) return bad("missing required Host header");
    if (host && peer == Peer::local && !host_is_local(*host)) return {403, "host \"" + *host + "\" is not this engine"};
    for (const char* name : {"origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"})
        if (value(name)) return {403, "requests of a browser are refused"};
    const std::string* expect = value("expect");
    if (expect && to_lower(*expect) != "100-continue") return {417, "expectation \"" + *expect + "\" cannot be met"};
    const std::string* encoding = value("content-encoding");
    if (encoding && to_lower(*encoding) != "identity")
        return {400, "unsupported Content-Encoding \"" + *encoding + "\""};
    return {};
}

}  // namespace gantry::http
