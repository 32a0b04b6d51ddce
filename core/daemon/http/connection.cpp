#include "core/daemon/http/connection.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/daemon/http/exchange.hpp"

namespace gantry::http {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {
constexpr std::size_t head_read_bytes = 4u << 10, body_read_bytes = 16u << 10, pump_read_bytes = 128u << 10;
constexpr int slow_answer_ms = 60'000, closing_ms = 5'000;
constexpr int head_read_us = 20'000, first_pause_us = 20, longest_pause_us = 320;

// docker-py reads the head through a buffer and what follows without it: bytes that come right behind the head are lost to it.
// Docker is slow enough for that not to happen; so the head is given a moment to be read by itself. The kernel has no event for
// that, and a client that waits for its answer takes some 50 microseconds.
void wait_until_read(int socket) {
    int pause = first_pause_us;
    for (int waited = 0; waited < head_read_us; waited += pause, pause = std::min(pause * 2, longest_pause_us)) {
        int unread = 0;
        if (::ioctl(socket, SIOCOUTQ, &unread) != 0 || unread == 0) return;
        ::usleep(static_cast<useconds_t>(pause));
    }
}
}  // namespace

Connection::Connection(std::shared_ptr<Core> core, Socket socket, unsigned peer_uid, Peer peer)
    : core_(std::move(core)),
      socket_(std::move(socket)),
      fd_(socket_.native_handle()),
      peer_uid_(peer_uid),
      output_(fd_),
      reader_(core_->limits(), peer) {}

void Connection::start() {
    core_->add(shared_from_this());
    set_deadline(core_->limits().header_ms);
    read_more();
}

void Connection::read_more() {
    if (reading_ || state_ == State::closed) return;
    reading_ = true;
    const std::span<char> room = reader_.prepare(pump_               ? pump_read_bytes
                                                 : reader_.in_body() ? body_read_bytes
                                                                     : head_read_bytes);
    socket_.async_read_some(asio::buffer(room.data(), room.size()),
                            [self = shared_from_this()](const error_code& ec, std::size_t size) {
                                self->reading_ = false;
                                if (self->state_ == State::closed) return;
                                if (ec) return self->drop();
                                self->on_read(size);
                            });
}

void Connection::on_read(std::size_t size) {
    reader_.commit(size);
    if (state_ == State::closing) {
        reader_.take_rest();
        return read_more();
    }
    if (pump_) return pump();
    advance();
}

// As far as the bytes at hand go.
void Connection::advance() {
    advancing_ = true;
    while (state_ == State::reading) {
        switch (reader_.next()) {
        case RequestReader::Step::more:
            if (reader_.in_body()) {
                deadline_ = std::min(now_ms() + core_->limits().body_idle_ms, body_ends_);
            } else if (reader_.in_request() && !head_begun_) {
                head_begun_ = true;
                deadline_ = std::min(deadline_, now_ms() + core_->limits().header_ms);
            }
            advancing_ = false;
            return read_more();
        case RequestReader::Step::head: on_head(); break;
        case RequestReader::Step::body:
            head_.request.body += reader_.piece();
            if (head_.request.body.size() > core_->limits().body_bytes)
                refuse(
                    {413, "the request body is larger than " + std::to_string(core_->limits().body_bytes) + " bytes"});
            break;
        case RequestReader::Step::end: dispatch(); break;
        case RequestReader::Step::refused: refuse(reader_.verdict()); break;
        }
    }
    advancing_ = false;
}

void Connection::on_head() {
    head_ = reader_.take_head();
    Request& request = head_.request;
    request.peer_uid = peer_uid_;
    match_ = core_->router().match(request.method, request.path);
    if (!match_.handler) {
        // A path that is known under another method alone is no page either, as in Docker.
        return refuse({match_.status, match_.status == 400 ? "invalid path in the request" : "page not found"});
    }
    request.parameters = std::move(match_.parameters);
    if (!head_.has_body) return;
    auto length = request.headers.find("content-length");
    if (match_.body != Body::streamed && length != request.headers.end() &&
        parse_int(length->second).value_or(0) > static_cast<std::int64_t>(core_->limits().body_bytes))
        return refuse(
            {413, "the request body is larger than " + std::to_string(core_->limits().body_bytes) + " bytes"});
    if (head_.expects_continue && reader_.buffered() == 0 && !send({"HTTP/1.1 100 Continue\r\n\r\n"})) return drop();
    body_ends_ = now_ms() + core_->limits().body_total_ms;
    if (match_.body == Body::streamed) begin_pump();
}

void Connection::refuse(const Verdict& verdict) {
    // A request that is only wrong in what it asks for, and has no body, does not cost the connection.
    const bool keep = reader_.verdict().status == 0 && !reader_.in_request() && !head_.has_body && head_.keep_alive;
    const std::string body = "{\"message\":" + quote_json(verdict.message) + "}\n";
    Head head;
    head.status = verdict.status;
    head.content_type = "application/json";
    head.content_length = body.size();
    head.after = keep ? After::keep_alive : After::close;
    state_ = State::handling;
    send({make_head(head), head_.request.method == "HEAD" ? std::string_view() : std::string_view(body)});
    end_exchange(head.after);
}

void Connection::dispatch() {
    state_ = State::handling;
    set_deadline(0);
    auto request = std::make_shared<Request>(std::move(head_.request));
    if (match_.body == Body::none) request->body.clear();
    if (match_.body == Body::streamed && !request->body_stream) {
        auto empty = open_file("/dev/null", O_RDONLY);
        if (empty) request->body_stream = std::move(empty).value();
    }
    const ExchangeHead about{request->method == "HEAD", head_.http11, head_.keep_alive && !core_->stopping(),
                             head_.upgrade};
    auto exchange = std::make_shared<Exchange>(shared_from_this(), ++exchange_, about);
    const Handler* handler = match_.handler;
    if (match_.run == Run::reactor)
        run_handler(*handler, std::move(*request), exchange);
    else
        core_->post([self = shared_from_this(), handler, request, exchange] {
            // Whoever asks and leaves, a thousand times over, must not keep others waiting for answers to nobody.
            const bool reads = request->method == "GET" || request->method == "HEAD";
            if (reads && self->hung_up()) return exchange->abandon();
            run_handler(*handler, std::move(*request), exchange);
        });
}

// --- a body that goes to the handler as a stream ---

void Connection::begin_pump() {
    UniqueFd reader;
    auto pump_made = BodyPump::create(&reader);
    if (!pump_made) return refuse({500, pump_made.error().text});
    pump_.emplace(std::move(pump_made).value());
    head_.request.body_stream = std::move(reader);
    dispatch();
    asio::post(core_->io(), [self = shared_from_this()] {
        if (self->state_ != State::closed) self->pump();
    });
}

void Connection::pump() {
    while (pump_ && !pump_waits_ && !reading_) {
        if (pump_rest_.empty()) {
            const RequestReader::Step step = reader_.next();
            if (step == RequestReader::Step::more) {
                set_deadline(core_->limits().body_idle_ms);
                return read_more();
            }
            if (step != RequestReader::Step::body) return end_pump(step == RequestReader::Step::end);
            pump_rest_ = reader_.piece();
        }
        switch (pump_->write(pump_rest_)) {
        case BodyPump::State::all: break;
        case BodyPump::State::reader_gone: return end_pump(false);
        case BodyPump::State::full:
            set_deadline(0);
            pump_waits_ = true;
            if (!pump_waiter_) pump_waiter_.emplace(core_->io(), pump_->fd());
            pump_waiter_->async_wait(asio::posix::stream_descriptor::wait_write,
                                     [self = shared_from_this()](const error_code& ec) {
                                         self->pump_waits_ = false;
                                         if (!ec && self->state_ != State::closed) self->pump();
                                     });
        }
    }
}

void Connection::end_pump(bool complete) {
    if (!pump_) return;
    if (pump_waiter_) {
        pump_waiter_->release();  // the pump owns the descriptor
        pump_waiter_.reset();
    }
    if (complete)
        pump_->finish();
    else
        end_after_answer_ = true;
    pump_.reset();
    pump_rest_ = {};
    if (state_ == State::handling) set_deadline(0);
}

// --- the answer ---

bool Connection::send(std::initializer_list<std::string_view> pieces) { return sent(output_.send(pieces)); }

bool Connection::send(std::string_view head, std::shared_ptr<const std::string> body) {
    return sent(output_.send(head, std::move(body)));
}

bool Connection::sent(Output::State state) {
    if (state == Output::State::waiting && !core_->drained())
        asio::dispatch(core_->io(), [self = shared_from_this()] { self->flush_when_writable(); });
    return state != Output::State::gone;
}

void Connection::flush_when_writable() {
    if (flushing_ || state_ == State::closed) return;
    flushing_ = true;
    socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const error_code& ec) {
        self->flushing_ = false;
        if (ec || self->state_ == State::closed) return;
        switch (self->output_.flush()) {
        case Output::State::waiting:
            if (self->answer_waits_) self->set_deadline(slow_answer_ms);  // it moves: give it time
            return self->flush_when_writable();
        case Output::State::gone: return self->drop();
        case Output::State::clear:
            if (std::exchange(self->answer_waits_, false)) self->next_request();
        }
    });
}

void Connection::exchange_over(std::uint64_t exchange, After after) {
    if (core_->drained()) return;
    auto over = [self = shared_from_this(), exchange, after] {
        if (self->state_ == State::handling && self->exchange_ == exchange) self->end_exchange(after);
    };
    // Not from inside advance(), which would be entered again.
    if (core_->on_reactor() && !advancing_)
        over();
    else
        asio::post(core_->io(), std::move(over));
}

void Connection::end_exchange(After after) {
    // A writer may have met the closed connection before this thread did, and ended: who asked to be told is told.
    if (output_.gone())
        for (auto& gone : std::exchange(gone_callbacks_, {})) gone();
    gone_callbacks_.clear();
    if (after == After::close) end_after_answer_ = true;
    if (pump_) end_pump(false);  // answered before the whole body was read
    if (output_.gone()) return drop();
    if (output_.pending() > 0) {
        answer_waits_ = true;
        set_deadline(slow_answer_ms);
        return flush_when_writable();
    }
    next_request();
}

void Connection::next_request() {
    if (end_after_answer_ || core_->stopping()) return close_gently();
    reader_.reset();
    state_ = State::reading;
    head_begun_ = false;
    set_deadline(core_->limits().keep_alive_ms);
    if (reader_.buffered() == 0) return read_more();
    if (!advancing_) advance();
}

void Connection::close_gently() {
    const bool all_read = !reader_.in_request() && reader_.buffered() == 0;
    if (all_read) return drop();
    state_ = State::closing;
    reader_.take_rest();
    ::shutdown(fd_, SHUT_WR);
    set_deadline(closing_ms);
    read_more();
}

// --- the client's end, and ours ---

void Connection::watch(std::uint64_t exchange, std::function<void()> gone) {
    if (core_->drained()) return;
    asio::dispatch(core_->io(), [self = shared_from_this(), exchange, gone = std::move(gone)]() mutable {
        if (self->exchange_ != exchange || self->state_ == State::reading) return;
        if (self->state_ == State::closed) {
            if (gone && !self->given_away_) gone();
            return;
        }
        if (gone) self->gone_callbacks_.push_back(std::move(gone));
        self->arm_watch();
    });
}

bool Connection::hung_up() const {
    pollfd state{fd_, 0, 0};
    return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR)) != 0;
}

void Connection::arm_watch() {
    if (watching_) return;
    watching_ = true;
    // A hang-up, not a half-closed connection: a client may close its side and still read the answer.
    socket_.async_wait(Socket::wait_error, [self = shared_from_this()](const error_code& ec) {
        self->watching_ = false;
        if (ec || self->state_ != State::handling || self->given_away_) return;
        pollfd state{self->fd_, 0, 0};
        if (::poll(&state, 1, 0) > 0) return self->drop();
        self->arm_watch();
    });
}

void Connection::on_late() {
    set_deadline(0);
    if (state_ == State::reading && reader_.in_request()) return refuse({408, "the request did not come in time"});
    if (state_ == State::handling && pump_ && !answer_waits_) return end_pump(false);
    drop();
}

void Connection::on_server_stop() {
    if (state_ == State::reading && !reader_.in_request()) return drop();
    end_after_answer_ = true;
}

void Connection::drop() {
    if (state_ == State::closed) return;
    const auto self = shared_from_this();
    state_ = State::closed;
    deadline_ = 0;
    end_pump(false);
    output_.mark_gone();
    if (!given_away_) {
        // Not closed here: another thread may be about to write. The last owner closes.
        ::shutdown(fd_, SHUT_RDWR);
        for (auto& gone : std::exchange(gone_callbacks_, {})) gone();
    }
    error_code ignored;
    socket_.cancel(ignored);
    core_->remove(this);
}

Result<Hijacked> Connection::give_away(std::string_view head) {
    if (pump_) return fail(Code::internal, "a connection whose body is still being read cannot be given away");
    given_away_ = true;
    Output::State sent = output_.send({head});
    while (sent == Output::State::waiting) {
        pollfd writable{fd_, POLLOUT, 0};
        if (::poll(&writable, 1, slow_answer_ms) <= 0) break;
        sent = output_.flush();
    }
    if (!head.empty() && sent == Output::State::clear) wait_until_read(fd_);
    Hijacked given;
    given.socket.reset(::fcntl(fd_, F_DUPFD_CLOEXEC, 3));
    const int error = errno;
    given.early = reader_.take_rest();
    if (!core_->drained()) asio::post(core_->io(), [self = shared_from_this()] { self->surrender(); });
    if (sent != Output::State::clear) return fail(Code::cancelled, "the client has gone");
    if (!given.socket) return fail_errno("take over the connection", error);
    const int flags = ::fcntl(given.socket.get(), F_GETFL);
    if (flags < 0 || ::fcntl(given.socket.get(), F_SETFL, flags & ~O_NONBLOCK) != 0)
        return fail_errno("take over the connection");
    return given;
}

void Connection::surrender() {
    if (state_ == State::closed) return;
    state_ = State::closed;
    deadline_ = 0;
    gone_callbacks_.clear();
    output_.mark_gone();
    error_code ignored;
    socket_.close(ignored);
    core_->remove(this);
}

}  // namespace gantry::http
