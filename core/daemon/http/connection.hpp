// One client's connection: reads requests, hands them to handlers, and waits for their end. Its state belongs to the
// reactor thread; what other threads may call says so.
#pragma once
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "core/daemon/http/body_pump.hpp"
#include "core/daemon/http/core.hpp"
#include "core/daemon/http/head.hpp"
#include "core/daemon/http/output.hpp"
#include "core/daemon/http/request_reader.hpp"

namespace gantry::http {

class Connection : public std::enable_shared_from_this<Connection> {
public:
    using Socket = boost::asio::local::stream_protocol::socket;
    Connection(std::shared_ptr<Core> core, Socket socket, unsigned peer_uid, Peer peer);

    void start();

    // For the exchange under way; any thread. `exchange` is its number, so that a late call does not touch the next.
    Core& core() { return *core_; }
    Output& output() { return output_; }
    // Sends the pieces; what the socket does not take is left to the reactor. False: the client is gone.
    bool send(std::initializer_list<std::string_view> pieces);
    bool send(std::string_view head, std::shared_ptr<const std::string> body);
    void exchange_over(std::uint64_t exchange, After after);
    // Calls `gone` on the reactor once the client has closed, also when it has already. {}: only watches.
    void watch(std::uint64_t exchange, std::function<void()> gone);
    // The client has closed its end, both ways. Any thread.
    bool hung_up() const;
    // Sends `head` and gives the socket away. Only while the exchange is unanswered and its body read.
    Result<Hijacked> give_away(std::string_view head);

    // Reactor: the keepers' calls (core.hpp).
    bool is_late(std::int64_t now) const { return deadline_ != 0 && now >= deadline_; }
    void on_late();
    void on_server_stop();
    // The end: the client sees it, blocked writers wake, `gone` callbacks run.
    void drop();

private:
    // closing: the last answer is out; what the client still sends is read and thrown away for a moment, so that it
    // gets to read that answer.
    enum class State { reading = 1, handling, closing, closed };

    void read_more();
    void on_read(std::size_t size);
    void advance();
    void on_head();
    void refuse(const Verdict& verdict);
    void dispatch();
    void begin_pump();
    void pump();
    void end_pump(bool complete);
    bool sent(Output::State state);
    void flush_when_writable();
    void end_exchange(After after);
    void next_request();
    void close_gently();
    void arm_watch();
    void surrender();
    void set_deadline(int milliseconds) { deadline_ = milliseconds ? now_ms() + milliseconds : 0; }

    std::shared_ptr<Core> core_;
    Socket socket_;
    const int fd_;
    const unsigned peer_uid_;
    Output output_;
    RequestReader reader_;

    State state_ = State::reading;
    std::int64_t deadline_ = 0, body_ends_ = 0;
    bool reading_ = false, flushing_ = false, watching_ = false, advancing_ = false;
    bool answer_waits_ = false;  // the exchange is over but for what the socket has not taken
    bool end_after_answer_ = false;
    bool head_begun_ = false;  // the first byte of a request has come, its clock runs
    std::atomic<bool> given_away_ = false;

    RequestHead head_;
    Router::Match match_;
    std::uint64_t exchange_ = 0;
    std::vector<std::function<void()>> gone_callbacks_;

    std::optional<BodyPump> pump_;
    std::optional<boost::asio::posix::stream_descriptor> pump_waiter_;
    std::string_view pump_rest_;
    bool pump_waits_ = false;
};

}  // namespace gantry::http
