// The wire of the Engine API: what a handler gets and how it answers. Implemented with Boost.Beast in server.cpp;
// handlers see none of it.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::http {

struct Request {
    std::string method;                             // "GET"
    std::string path;                               // decoded once, version prefix taken off: "/containers/json"
    std::string version;                            // "1.47"; the newest where the client named none
    std::map<std::string, std::string> parameters;  // of the pattern: {id}
    std::multimap<std::string, std::string> query;  // decoded
    std::map<std::string, std::string> headers;     // names in lower case
    std::string body;                               // Body::buffered: whole
    UniqueFd body_stream;                           // Body::streamed: a pipe or socket to read to its end
    unsigned peer_uid = 0;

    const std::string& parameter(const std::string& name) const { return parameters.at(name); }
    // The first value of a query parameter, or `otherwise`.
    std::string query_value(std::string_view name, std::string otherwise = {}) const;
    // Docker's booleans: "", "0", "no", "false", "none" are false, the rest true.
    bool query_flag(std::string_view name, bool otherwise = false) const;
    // The body as a JSON object; empty body: {}. GANTRY_INVALID: not JSON, too deep, duplicate... with where.
    Result<Json> json() const;
    // The same of a list; empty body and null: [], as Docker's clients send a list that is not there.
    Result<Json> json_list() const;
    // The version as a number: "1.44" -> 144.
    int version_number() const;
};

// A reply that goes on: chunked. Any thread. write() blocks while the client is slow (bounded), and fails with
// GANTRY_CANCELLED once the client has gone.
class Stream {
public:
    virtual ~Stream() = default;  // ends the reply
    virtual Result<void> write(std::string_view data) = 0;
    virtual bool client_gone() const = 0;
    // `gone` is called once, on a reactor thread, when the client closes: must not block.
    virtual void on_client_gone(std::function<void()> gone) = 0;
    // The reply will not be whole: the client is to see that, by a connection that closes before the end.
    virtual void abort() {}
    // Bytes that the client has not taken yet. write() does not block while this is below stream_room.
    virtual std::size_t pending() const { return 0; }
};
inline constexpr std::size_t stream_room = 64u << 10;

struct Hijacked {
    UniqueFd socket;    // blocking, the client's connection; ours alone from now on
    std::string early;  // bytes that came behind the request
};

// Answers one request, exactly once, from any thread, also after the handler has returned: keep the shared_ptr.
// Dropped without an answer: 500.
class Responder {
public:
    virtual ~Responder() = default;
    virtual void json(int status, const Json& body) = 0;
    virtual void empty(int status) = 0;  // 204, 304
    virtual void text(int status, std::string_view content_type, std::string body,
                      const std::map<std::string, std::string>& headers = {}) = 0;
    // The same of a body that others have too. Not null.
    virtual void shared_text(int status, std::string_view content_type, std::shared_ptr<const std::string> body,
                             const std::map<std::string, std::string>& headers = {}) = 0;
    // {"message": text} with the one status of the code (status.hpp).
    virtual void error(const Error& error) = 0;
    virtual std::shared_ptr<Stream> stream(int status, std::string_view content_type,
                                           const std::map<std::string, std::string>& headers = {}) = 0;
    // Docker's upgrade: 101 UPGRADED where the client asked (Upgrade: tcp, or gantry-build/1), 200 otherwise, then the raw connection.
    virtual Result<Hijacked> hijack(std::string_view content_type) = 0;
    // 101 to another protocol, which the handler has seen that the client asks for; then the raw connection.
    virtual Result<Hijacked> upgrade(std::string_view protocol) = 0;
    // The connection as it is, nothing sent: for a protocol whose own library answers.
    virtual Result<Hijacked> take_over() = 0;
    // Called once, on a reactor thread, if the client closes before the answer: for long waits. Must not block.
    virtual void on_client_gone(std::function<void()> gone) = 0;
};

using Handler = std::function<void(Request, std::shared_ptr<Responder>)>;
enum class Body { none = 1, buffered, streamed };
// Where a handler runs: on a worker (may block), or on the reactor (microseconds only).
enum class Run { worker = 1, reactor };

class Router {
public:
    // `pattern`: "/containers/{id}/json"; {name:*} at the end or before a suffix takes slashes too
    // ("/images/{name:*}/json"). A path that is known under another method is not found.
    void add(std::string_view method, std::string_view pattern, Handler handler, Body body = Body::buffered,
             Run run = Run::worker);
    struct Match {
        const Handler* handler = nullptr;
        Body body = Body::buffered;
        Run run = Run::worker;
        std::map<std::string, std::string> parameters;
        int status = 404;  // where handler is null: 404, or 400 for a name that cannot be
    };
    Match match(std::string_view method, std::string_view path) const;

private:
    struct Route;
    std::vector<std::shared_ptr<const Route>> routes_;
};

// One HTTP status for each code: the only table.
int status_of(Code code);

// What a client may ask for; the defaults are what ships, tests shorten them.
struct Limits {
    int header_ms = 10'000;      // from the first byte (or the connection's start) to the end of the header
    int body_idle_ms = 30'000;   // between two pieces of a body
    int body_total_ms = 60'000;  // of a body that is held in memory
    int keep_alive_ms = 60'000;  // between two requests
    std::size_t request_line = 8u << 10;
    std::size_t header_bytes = 32u << 10;
    std::size_t header_count = 64;
    std::size_t body_bytes = 4u << 20;  // Body::buffered
    std::size_t connections = 4096;
};

struct ServerSettings {
    std::string socket_path;   // unix socket, 0660 from the moment it exists
    std::string socket_group;  // "" : root
    int workers = 16;          // grown lazily; more for a while when all of them wait for something
    Limits limits = {};
};

// Who is at the other end. local: whoever can reach us, a browser's page among them, so that the request must name this host.
// certified: has proved who it is, and may call us what it likes.
enum class Peer { local = 1, certified };

class Server {
public:
    // Binds; requests are taken from run() on. The router is complete before, and outlives the server. A socket file
    // that nobody listens on is replaced; one that answers: GANTRY_BUSY.
    static Result<std::unique_ptr<Server>> create(ServerSettings settings, const Router& router);
    virtual ~Server() = default;
    virtual void run() = 0;   // blocks until stop()
    virtual void stop() = 0;  // any thread; open requests are given 1 s
    // Serves one more connection, that of another listener: a connected stream socket of the unix domain, non-blocking. Any
    // thread; returns at once.
    virtual void adopt(UniqueFd socket, Peer peer) = 0;
    // Runs work on a worker thread, soon.
    virtual void post(std::function<void()> work) = 0;
};

}  // namespace gantry::http
