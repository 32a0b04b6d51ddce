// The daemon's API over a stream socket: blocking, one exchange a connection at a time.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/cli/choice.hpp"
#include "core/cli/http_parser.hpp"
#include "core/cli/link.hpp"

namespace gantry::cli {

// One connection and the exchange that runs on it.
class Connection {
public:
    explicit Connection(Link link) : link_(std::move(link)) {}

    // Sends a request whole. `upgrade`: asks for the raw connection (Upgrade: tcp, or that of a build session).
    // `headers`: further lines, each with its line end.
    enum class Upgrade { no = 1, tcp, build };
    Result<void> send(std::string_view method, std::string_view target, const Json* body = nullptr,
                      Upgrade upgrade = Upgrade::no, std::string_view headers = {});
    // Sends a request whose body is what can be read from `source` (a file with its length, else in chunks). Answer
    // bytes that come meanwhile are taken in, so that neither side waits for the other.
    Result<void> send_from(std::string_view method, std::string_view target, int source, std::string_view content_type,
                           const std::function<void(std::int64_t sent)>& progress = {});
    // Waits for status and headers.
    Result<void> receive_head();
    // The next piece of the body; "" at its end.
    Result<std::string> receive_some();
    // The rest of the body, 256 MiB at most.
    Result<std::string> receive_all();
    // For polling: takes what is there without waiting longer than one read. False: the body is complete.
    Result<bool> receive_ready();
    std::string take_body() { return parser_.take_body(); }

    const ResponseParser& answer() const { return parser_; }
    int status() const { return parser_.status(); }
    int fd() const { return link_.fd(); }
    // Whether the daemon itself is at the other end of fd(), on this host.
    bool local() const { return !link_.carried(); }
    // After an upgrade: bytes that came behind the answer's head.
    std::string take_early() { return std::exchange(early_, {}); }
    // Usable for another request.
    bool reusable() const {
        return parser_.done() && parser_.keep_alive() && early_.empty() && parser_.status() != 101;
    }
    // The answer as a failure if its status is 400 or more: "Error response from daemon: ...". Reads the body.
    Result<void> check_status();

private:
    Result<void> send_all(std::string_view text);
    Result<void> feed(std::string_view bytes);
    Result<std::size_t> read_once(int flags);

    Link link_;
    ResponseParser parser_;
    std::string early_;
};

class Client {
public:
    // An error instead of an endpoint is what the first connection fails with: commands that need none work.
    explicit Client(Choice choice) : choice_(std::move(choice)) {}

    const Choice& choice() const { return choice_; }
    // No daemon is started for what follows.
    void never_start() {
        if (choice_.endpoint) choice_.endpoint->may_start = false;
    }

    // A connection of its own. Starts a daemon where none listens and it may.
    Result<Connection> connect();
    // A whole exchange; the connection is kept for the next. Status 400 and more is an Error with the daemon's message
    // ("Error response from daemon: ..."), its code from the status.
    Result<std::string> raw(std::string_view method, std::string_view target, const Json* body = nullptr,
                            std::string_view headers = {});
    // The same, the body read as JSON (null for an empty one).
    Result<Json> get(std::string_view target, std::string_view headers = {});
    Result<Json> post(std::string_view target, const Json* body = nullptr);
    Result<Json> remove(std::string_view target);
    // Status of the last exchange by raw(), get(), post() or remove().
    int last_status() const { return last_status_; }
    // A long answer: sent, head received, status checked.
    Result<Connection> open(std::string_view method, std::string_view target, const Json* body = nullptr,
                            Connection::Upgrade upgrade = Connection::Upgrade::no, std::string_view headers = {});

private:
    Result<Json> exchange(std::string_view method, std::string_view target, const Json* body,
                          std::string_view headers = {});

    Choice choice_;
    std::optional<Connection> kept_;
    int last_status_ = 0;
};

// A query string: "?a=b&c=d", values escaped; "" without pairs.
std::string query(const std::vector<std::pair<std::string, std::string>>& pairs);
// A name as part of a path, escaped; "/", ":" and "@" stay, for image references.
std::string path_escape(std::string_view text);
// Starts `gantryd --detach` from beside our own program, /usr/lib/gantry or /usr/bin, and waits until it has detached.
Result<void> start_daemon();

}  // namespace gantry::cli
