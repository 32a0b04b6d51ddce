// GET /containers/{id}/attach/ws: the container's stdio in a websocket's messages. Boost.Beast speaks the websocket; a
// socket pair is the client that the monitor sees. Both ways on one thread, which sleeps nearly always.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

#include "core/daemon/api/attach_request.hpp"
#include "core/daemon/api/log_frames.hpp"
#include "core/daemon/http/head.hpp"

namespace gantry::daemon {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using boost::system::error_code;
using LocalSocket = asio::local::stream_protocol::socket;
using Handshake = beast::http::request<beast::http::empty_body>;

constexpr auto closing_look = std::chrono::milliseconds(500);
constexpr std::size_t pump_bytes = 32 << 10;

Handshake handshake_of(const http::Request& request) {
    Handshake handshake{beast::http::verb::get, "/", 11};
    for (const auto& [name, value] : request.headers) handshake.set(name, value);
    return handshake;
}

// Takes the headers of Docker's frames out of a stream that comes in pieces of any size.
class FrameStripper {
public:
    void strip(std::string_view piece, std::string* payload) {
        while (!piece.empty()) {
            if (left_ == 0) {
                const std::size_t take = std::min(piece.size(), frame_header_size - header_.size());
                header_ += piece.substr(0, take);
                piece.remove_prefix(take);
                if (header_.size() < frame_header_size) return;
                for (std::size_t i = 4; i < frame_header_size; ++i)
                    left_ = left_ << 8 | static_cast<unsigned char>(header_[i]);
                header_.clear();
                continue;
            }
            const std::size_t take = std::min(piece.size(), left_);
            *payload += piece.substr(0, take);
            piece.remove_prefix(take);
            left_ -= take;
        }
    }

private:
    std::string header_;
    std::size_t left_ = 0;
};

class SocketPump {
public:
    SocketPump(container::ContainerService& service, bool terminal, bool binary)
        : service_(service), terminal_(terminal), client_(io_), container_(io_), timer_(io_) {
        client_.binary(binary);
        client_.read_message_max(0);  // messages are read in pieces
        client_.set_option(websocket::stream_base::decorator([](websocket::response_type& response) {
            for (const auto& [name, value] : http::standing_headers()) response.set(name, value);
        }));
    }

    Result<void> accept(UniqueFd client, UniqueFd container, const Handshake& handshake) {
        error_code ec;
        client_.next_layer().assign(asio::local::stream_protocol(), client.get(), ec);
        if (ec) return fail(Code::internal, "websocket: " + ec.message());
        (void)client.release();
        container_.assign(asio::local::stream_protocol(), container.get(), ec);
        if (ec) return fail(Code::internal, "websocket: " + ec.message());
        (void)container.release();
        client_.accept(handshake, ec);
        if (ec) return fail(Code::cancelled, "websocket: " + ec.message());
        return {};
    }

    // Until one of the two ends, or the engine does.
    void run() {
        read_client();
        read_container();
        watch_engine();
        io_.run();
    }

private:
    void read_client() {
        client_.async_read_some(asio::buffer(from_client_), [this](error_code ec, std::size_t size) {
            if (ec) return stop();
            asio::async_write(container_, asio::buffer(from_client_.data(), size),
                              [this](error_code failed, std::size_t) {
                                  // A container that reads nothing more may still write.
                                  if (!failed) read_client();
                              });
        });
    }

    void read_container() {
        container_.async_read_some(asio::buffer(from_container_), [this](error_code ec, std::size_t size) {
            if (ec) return close();
            const std::string_view piece(from_container_.data(), size);
            message_.clear();
            if (terminal_)
                message_ = piece;
            else
                stripper_.strip(piece, &message_);
            if (message_.empty()) return read_container();
            client_.async_write(asio::buffer(message_), [this](error_code failed, std::size_t) {
                if (failed) return stop();
                read_container();
            });
        });
    }

    void watch_engine() {
        timer_.expires_after(closing_look);
        timer_.async_wait([this](error_code ec) {
            if (ec) return;
            if (service_.wait_closing(0)) return stop();
            watch_engine();
        });
    }

    void close() {
        client_.async_close(websocket::close_code::normal, [this](error_code) { stop(); });
    }
    void stop() { io_.stop(); }

    container::ContainerService& service_;
    const bool terminal_;
    asio::io_context io_{1};
    websocket::stream<LocalSocket> client_;
    LocalSocket container_;
    asio::steady_timer timer_;
    FrameStripper stripper_;
    std::string message_;
    std::array<char, pump_bytes> from_client_, from_container_;
};

}  // namespace

void attach_websocket(container::ContainerService& service, const http::Request& request,
                      const std::shared_ptr<http::Responder>& reply) {
    auto wish = read_attach(service, request);
    if (!wish) return reply->error(wish.error());
    const Handshake handshake = handshake_of(request);
    if (!websocket::is_upgrade(handshake))
        return reply->error(fail(Code::invalid, "a websocket is asked for with \"Upgrade: websocket\""));
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return reply->error(fail_errno("make a socket pair"));
    UniqueFd container(pair[0]), monitor(pair[1]);
    auto log = open_log(service, *wish);
    if (!log) return reply->error(log.error());
    if (wish->stream)
        if (auto begun = service.begin_attach(wish->id); !begun) return reply->error(begun.error());
    auto connection = reply->take_over();
    auto pump = std::make_shared<SocketPump>(service, wish->terminal, request.version_number() >= 128);
    // A client that speaks before it has the answer to its handshake is none.
    if (!connection || !connection->early.empty() ||
        !pump->accept(std::move(connection->socket), std::move(container), handshake)) {
        if (wish->stream) service.abandon_attach(wish->id);
        return;
    }
    // The log goes through the pump as what the container writes does, so the pump runs first.
    const bool pumped = service.run_beside([pump] { pump->run(); });
    const bool there = pumped && (!*log || write_log(**log, monitor.get(), wish->terminal));
    if (!wish->stream) return;
    if (!there) return service.abandon_attach(wish->id);
    container::Monitor::Attachment attachment = wish->attachment();
    attachment.client = std::move(monitor);
    (void)service.attach(wish->id, std::move(attachment));
}

}  // namespace gantry::daemon
