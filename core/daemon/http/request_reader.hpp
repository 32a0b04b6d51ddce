// Bytes of a connection to requests: the strict grammar first, then Beast's parser. Knows no socket.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/daemon/http/grammar.hpp"
#include "core/daemon/http/http.hpp"

namespace gantry::http {

// What a header said beside what a handler needs to know.
struct RequestHead {
    Request request;  // without body
    bool http11 = true;
    bool keep_alive = true;
    bool has_body = false;
    bool expects_continue = false;
    std::string upgrade;  // Connection: Upgrade with Upgrade: tcp or gantry-build/1; "" for neither
};

class RequestReader {
public:
    explicit RequestReader(const Limits& limits, Peer peer = Peer::local);
    ~RequestReader();

    // Room for the next bytes of the connection, and how many of it were filled.
    std::span<char> prepare(std::size_t size);
    void commit(std::size_t size);

    // more: bytes are needed. head: the header is complete (take_head). body: piece() is the next piece of the body,
    // valid until the next call. end: the request is complete. refused: verdict() says why; the connection must end.
    enum class Step { more = 1, head, body, end, refused };
    Step next();
    RequestHead take_head() { return std::move(head_); }
    std::string_view piece() const { return piece_; }
    const Verdict& verdict() const { return verdict_; }

    // Bytes that lie behind what was read so far; take_rest empties the buffer.
    std::size_t buffered() const;
    std::string take_rest();
    // The present request is begun (any byte of it has come) but not complete.
    bool in_request() const;
    bool in_body() const { return state_ == State::body; }
    // Begins with the next request on the connection.
    void reset();

private:
    enum class State { head = 1, body, end, refused };
    Step refuse(Verdict verdict);
    Step next_head();
    Step next_body();
    Step fill_head();

    struct Parser;
    const Limits& limits_;
    const Peer peer_;
    std::unique_ptr<Parser> parser_;
    State state_ = State::head;
    std::size_t scanned_ = 0;  // of the buffer, for the end of the header
    RequestHead head_;
    std::string_view piece_;
    Verdict verdict_;
};

}  // namespace gantry::http
