#include "core/daemon/http/head.hpp"

#include <ctime>

#include "core/daemon/http/status.hpp"
#include "core/daemon/http/target.hpp"

namespace gantry::http {
namespace {

// "Tue, 15 Nov 1994 08:12:31 GMT", made once a second.
const std::string& date() {
    thread_local std::time_t made = 0;
    thread_local std::string text;
    const std::time_t now = std::time(nullptr);
    if (now != made) {
        std::tm parts{};
        gmtime_r(&now, &parts);
        char buffer[64];
        const std::size_t size = std::strftime(buffer, sizeof buffer, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        text.assign(buffer, size);
        made = now;
    }
    return text;
}

std::string begin_head(int status) {
    std::string text;
    text.reserve(320);
    text.append("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(reason_of(status));
    text += "\r\n";
    for (const auto& [name, value] : standing_headers()) text.append(name).append(": ").append(value).append("\r\n");
    return text;
}

bool safe(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos; }

void add(std::string& head, std::string_view name, std::string_view value) {
    // A name or label must not become a header of its own.
    if (safe(name) && safe(value)) head.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

const std::vector<std::pair<std::string, std::string>>& standing_headers() {
    static const std::vector<std::pair<std::string, std::string>> headers = {
        {"Api-Version", std::string(newest_version)},
        {"Docker-Experimental", "false"},
        {"Ostype", "linux"},
        {"Server", "Gantry/0.1.0 (linux)"}};
    return headers;
}

std::string make_head(const Head& head) {
    std::string text = begin_head(head.status);
    add(text, "Date", date());
    if (!head.content_type.empty()) add(text, "Content-Type", head.content_type);
    if (head.more)
        for (const auto& [name, value] : *head.more) add(text, name, value);
    if (head.content_length) add(text, "Content-Length", std::to_string(*head.content_length));
    if (head.chunked) add(text, "Transfer-Encoding", "chunked");
    if (head.after == After::close) add(text, "Connection", "close");
    text += "\r\n";
    return text;
}

std::string make_hijack_head(std::string_view upgrade, std::string_view content_type) {
    std::string text = begin_head(upgrade.empty() ? 200 : 101);
    if (!content_type.empty()) add(text, "Content-Type", content_type);
    if (!upgrade.empty()) text.append("Connection: Upgrade\r\nUpgrade: ").append(upgrade).append("\r\n");
    text += "\r\n";
    return text;
}

}  // namespace gantry::http
