#include "core/cli/client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/base/files.hpp"
#include "core/base/unix_socket.hpp"
#include "core/cli/body_sender.hpp"
#include "core/cli/error_output.hpp"
#include "core/cli/json_access.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t body_limit = 256u << 20;

Code code_of_status(int status) {
    switch (status) {
    case 400: return Code::invalid;
    case 403: return Code::denied;
    case 404: return Code::not_found;
    case 409: return Code::conflict;
    case 501: return Code::unsupported;
    default: return Code::internal;
    }
}

std::string request_head(std::string_view method, std::string_view target) {
    std::string head;
    head.reserve(target.size() + 200);
    head.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: gantry\r\nUser-Agent: Gantry-Client\r\n");
    return head;
}

bool unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '~';
}

void escape(std::string& out, std::string_view text, std::string_view keep) {
    constexpr char digits[] = "0123456789ABCDEF";
    for (char c : text) {
        if (unreserved(c) || keep.find(c) != std::string_view::npos) {
            out += c;
            continue;
        }
        auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
}

}  // namespace

std::string query(const std::vector<std::pair<std::string, std::string>>& pairs) {
    std::string text;
    for (const auto& [key, value] : pairs) {
        text += text.empty() ? '?' : '&';
        text += key + "=";
        escape(text, value, "/:,");
    }
    return text;
}

std::string path_escape(std::string_view text) {
    std::string out;
    escape(out, text, "/:@");
    return out;
}

// MSG_NOSIGNAL: a daemon that has gone is an error, not a SIGPIPE.
Result<void> Connection::send_all(std::string_view text) {
    while (!text.empty()) {
        ssize_t n = ::send(fd(), text.data(), text.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && link_.carried()) return link_.why();
        if (n < 0) return fail_errno("send to the daemon");
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

Result<void> Connection::feed(std::string_view bytes) {
    GANTRY_TRY(std::size_t used, parser_.push(bytes));
    early_.append(bytes.substr(used));
    return {};
}

Result<std::size_t> Connection::read_once(int flags) {
    char block[32768];
    for (;;) {
        ssize_t n = ::recv(fd(), block, sizeof block, flags);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == ECONNRESET) n = 0;
        if (n < 0) return fail_errno("receive from the daemon");
        if (n == 0) {
            if (link_.carried() && !parser_.head_done()) return link_.why();
            GANTRY_CHECK(parser_.push_end());
            return std::size_t{0};
        }
        GANTRY_CHECK(feed(std::string_view(block, static_cast<std::size_t>(n))));
        return static_cast<std::size_t>(n);
    }
}

Result<void> Connection::send(std::string_view method, std::string_view target, const Json* body, Upgrade upgrade,
                              std::string_view headers) {
    parser_ = ResponseParser();
    if (method == "HEAD") parser_.expect_no_body();
    std::string text = request_head(method, target);
    if (upgrade == Upgrade::tcp) text += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    if (upgrade == Upgrade::build) text += "Connection: Upgrade\r\nUpgrade: gantry-build/1\r\n";
    text += headers;
    if (body) {
        std::string content = body->dump(-1, ' ', false, Json::error_handler_t::replace);
        text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n" +
                content;
    } else {
        if (method != "GET" && method != "HEAD") text += "Content-Length: 0\r\n";
        text += "\r\n";
    }
    return send_all(text);
}

Result<void> Connection::send_from(std::string_view method, std::string_view target, int source,
                                   std::string_view content_type, const std::function<void(std::int64_t)>& progress) {
    parser_ = ResponseParser();
    struct stat info {};
    const bool sized = ::fstat(source, &info) == 0 && S_ISREG(info.st_mode) && ::lseek(source, 0, SEEK_CUR) == 0;
    BodySender sender(
        fd(),
        [this]() -> Result<bool> {
            GANTRY_TRY(std::size_t got, read_once(0));
            // The daemon has answered and closed before the end: the answer says why.
            return !parser_.done() || (got > 0 && parser_.status() < 400);
        },
        progress);
    std::string head = request_head(method, target) + "Content-Type: " + std::string(content_type) + "\r\n";
    head += sized ? "Content-Length: " + std::to_string(info.st_size) + "\r\n\r\n"
                  : std::string("Transfer-Encoding: chunked\r\n\r\n");
    GANTRY_TRY(bool going, sender.send(head));
    if (!going) return {};
    return sized ? sender.send_file(source, info.st_size) : sender.send_chunks(source);
}

Result<void> Connection::receive_head() {
    while (!parser_.head_done()) GANTRY_CHECK(read_once(0));
    return {};
}

Result<std::string> Connection::receive_some() {
    for (;;) {
        std::string piece = parser_.take_body();
        if (!piece.empty() || parser_.done()) return piece;
        GANTRY_CHECK(read_once(0));
    }
}

Result<std::string> Connection::receive_all() {
    std::string body;
    for (;;) {
        GANTRY_TRY(std::string piece, receive_some());
        if (piece.empty()) return body;
        if (body.size() + piece.size() > body_limit)
            return fail(Code::exhausted, "the daemon's answer is larger than 256 MiB");
        body += piece;
    }
}

Result<bool> Connection::receive_ready() {
    if (parser_.done()) return false;
    GANTRY_CHECK(read_once(0));
    return !parser_.done();
}

Result<void> Connection::check_status() {
    if (status() < 400) return {};
    GANTRY_TRY(std::string body, receive_all());
    Json document = parse_json(body);
    std::string message = text_at(document, "message");
    if (message.empty()) message = body.empty() ? "status " + std::to_string(status()) : body;
    while (!message.empty() && (message.back() == '\n' || message.back() == '\r')) message.pop_back();
    message = "Error response from daemon: " + message;
    note_status(message, status());
    return fail(code_of_status(status()), message);
}

Result<Connection> Client::connect() {
    if (!choice_.endpoint) return choice_.endpoint.error();
    Endpoint& endpoint = *choice_.endpoint;
    if (endpoint.kind != Endpoint::Kind::local) {
        GANTRY_TRY(Link link, Link::dial(endpoint));
        return Connection(std::move(link));
    }
    auto fd = connect_unix(endpoint.path, SOCK_STREAM);
    if (!fd && fd.error().system_errno == ENOENT && endpoint.may_start) {
        GANTRY_CHECK(start_daemon());
        endpoint.may_start = false;
        fd = connect_unix(endpoint.path, SOCK_STREAM);
    }
    if (fd) return Connection(std::move(fd).value());
    if (fd.error().system_errno == EACCES)
        return fail(Code::denied,
                    "permission denied while trying to connect to the Gantry daemon socket at " + endpoint.url());
    return fail(Code::retry_later,
                "Cannot connect to the Gantry daemon at " + endpoint.url() + ". Is the daemon running?");
}

Result<std::string> Client::raw(std::string_view method, std::string_view target, const Json* body,
                                std::string_view headers) {
    std::optional<Connection> connection = std::exchange(kept_, std::nullopt);
    // A kept connection on which something waits to be read has been closed by the daemon.
    if (pollfd idle{connection ? connection->fd() : -1, POLLIN, 0}; ::poll(&idle, 1, 0) > 0) connection.reset();
    if (!connection) {
        GANTRY_TRY(Connection fresh, connect());
        connection.emplace(std::move(fresh));
    }
    GANTRY_CHECK(connection->send(method, target, body, Connection::Upgrade::no, headers));
    GANTRY_CHECK(connection->receive_head());
    last_status_ = connection->status();
    GANTRY_CHECK(connection->check_status());
    GANTRY_TRY(std::string text, connection->receive_all());
    if (connection->reusable()) kept_ = std::move(connection);
    return text;
}

Result<Json> Client::exchange(std::string_view method, std::string_view target, const Json* body,
                              std::string_view headers) {
    GANTRY_TRY(std::string text, raw(method, target, body, headers));
    if (text.empty()) return Json();
    Json document = parse_json(text);
    if (document.is_discarded())
        return fail(Code::corrupt, "the daemon's answer to " + std::string(target) + " is not JSON");
    return document;
}

Result<Json> Client::get(std::string_view target, std::string_view headers) {
    return exchange("GET", target, nullptr, headers);
}
Result<Json> Client::post(std::string_view target, const Json* body) { return exchange("POST", target, body); }
Result<Json> Client::remove(std::string_view target) { return exchange("DELETE", target, nullptr); }

Result<Connection> Client::open(std::string_view method, std::string_view target, const Json* body,
                                Connection::Upgrade upgrade, std::string_view headers) {
    GANTRY_TRY(Connection connection, connect());
    GANTRY_CHECK(connection.send(method, target, body, upgrade, headers));
    GANTRY_CHECK(connection.receive_head());
    GANTRY_CHECK(connection.check_status());
    return connection;
}

}  // namespace gantry::cli
