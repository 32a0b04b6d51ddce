#include "core/daemon/http/request_reader.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <limits>
#include <optional>

#include "core/base/text.hpp"
#include "core/daemon/http/target.hpp"

namespace gantry::http {

namespace beast = boost::beast;

namespace {
constexpr std::size_t piece_bytes = 64u << 10;
}

struct RequestReader::Parser {
    beast::flat_buffer buffer{256u << 10};
    std::optional<beast::http::request_parser<beast::http::buffer_body>> parser;
    // Made with the first body: a client that says nothing costs next to nothing.
    std::unique_ptr<char[]> piece;

    std::string_view view() const { return {static_cast<const char*>(buffer.data().data()), buffer.size()}; }
};

RequestReader::RequestReader(const Limits& limits, Peer peer)
    : limits_(limits), peer_(peer), parser_(std::make_unique<Parser>()) {}
RequestReader::~RequestReader() = default;

std::span<char> RequestReader::prepare(std::size_t size) {
    auto room = parser_->buffer.prepare(size);
    return {static_cast<char*>(room.data()), room.size()};
}

void RequestReader::commit(std::size_t size) { parser_->buffer.commit(size); }

std::size_t RequestReader::buffered() const { return parser_->buffer.size(); }

std::string RequestReader::take_rest() {
    std::string rest(parser_->view());
    parser_->buffer.consume(rest.size());
    return rest;
}

bool RequestReader::in_request() const { return state_ == State::head ? buffered() > 0 : state_ != State::end; }

void RequestReader::reset() {
    parser_->parser.reset();
    state_ = State::head;
    scanned_ = 0;
    piece_ = {};
}

RequestReader::Step RequestReader::refuse(Verdict verdict) {
    verdict_ = std::move(verdict);
    state_ = State::refused;
    return Step::refused;
}

RequestReader::Step RequestReader::next() {
    switch (state_) {
    case State::head: return next_head();
    case State::body: return next_body();
    case State::end: return Step::end;
    case State::refused: return Step::refused;
    }
    return Step::refused;
}

RequestReader::Step RequestReader::next_head() {
    // One empty line before a request is allowed (RFC 9112, 2.2): some clients end a body with it.
    if (parser_->view().starts_with("\r\n")) {
        parser_->buffer.consume(2);
        scanned_ = 0;
    }
    const std::string_view data = parser_->view();
    const std::size_t end = data.find("\r\n\r\n", scanned_ > 3 ? scanned_ - 3 : 0);
    if (end == std::string_view::npos) {
        scanned_ = data.size();
        if (Verdict bad = check_partial_head(data, limits_)) return refuse(std::move(bad));
        return Step::more;
    }
    const std::string_view head = data.substr(0, end + 4);
    if (Verdict bad = check_head(head, limits_)) return refuse(std::move(bad));
    auto& parser = parser_->parser.emplace();
    parser.header_limit(static_cast<std::uint32_t>(limits_.header_bytes + 1024));
    // Limits on bodies are the connection's. (boost::none would refuse every length in Beast of 1.74.)
    parser.body_limit(std::numeric_limits<std::uint64_t>::max());
    beast::error_code ec;
    parser.put(boost::asio::buffer(head.data(), head.size()), ec);
    if (ec || !parser.is_header_done()) return refuse({400, "malformed request: " + ec.message()});
    const Step step = fill_head();
    parser_->buffer.consume(head.size());
    return step;
}

RequestReader::Step RequestReader::fill_head() {
    auto& parser = *parser_->parser;
    const auto& message = parser.get();
    head_ = RequestHead{};
    Request& request = head_.request;
    request.method = std::string(message.method_string());
    for (const auto& field : message) {
        std::string name = to_lower(std::string_view(field.name_string().data(), field.name_string().size()));
        const std::string_view value(field.value().data(), field.value().size());
        auto [place, added] = request.headers.emplace(std::move(name), value);
        if (!added) place->second.append(", ").append(value);
    }
    head_.http11 = message.version() >= 11;
    if (Verdict bad = check_fields(request.headers, head_.http11, peer_)) return refuse(std::move(bad));
    auto target = parse_target(std::string_view(message.target().data(), message.target().size()));
    if (!target) return refuse({400, target.error().text});
    request.path = std::move(target->path);
    request.version = std::move(target->version);
    request.query = std::move(target->query);
    head_.keep_alive = parser.keep_alive() && head_.http11;
    head_.has_body = parser.chunked() || parser.content_length().value_or(0) > 0;
    head_.expects_continue = head_.http11 && head_.has_body && request.headers.contains("expect");
    auto upgrade = request.headers.find("upgrade"), connection = request.headers.find("connection");
    head_.upgrade.clear();
    if (upgrade != request.headers.end() && connection != request.headers.end() &&
        to_lower(connection->second).find("upgrade") != std::string::npos)
        for (const char* protocol : {"tcp", "gantry-build/1"})
            if (to_lower(upgrade->second) == protocol) head_.upgrade = protocol;
    state_ = head_.has_body ? State::body : State::end;
    return Step::head;
}

RequestReader::Step RequestReader::next_body() {
    auto& parser = *parser_->parser;
    for (;;) {
        if (parser.is_done()) {
            state_ = State::end;
            return Step::end;
        }
        if (parser_->buffer.size() == 0) return Step::more;
        auto& body = parser.get().body();
        if (!parser_->piece) parser_->piece = std::make_unique_for_overwrite<char[]>(piece_bytes);
        body.data = parser_->piece.get();
        body.size = piece_bytes;
        body.more = true;
        beast::error_code ec;
        const std::size_t used = parser.put(parser_->buffer.data(), ec);
        parser_->buffer.consume(used);
        const std::size_t got = piece_bytes - body.size;
        if (ec == beast::http::error::need_buffer) ec = {};
        const bool starved = ec == beast::http::error::need_more;
        if (ec && !starved) return refuse({400, "malformed body: " + ec.message()});
        if (got > 0) {
            piece_ = {parser_->piece.get(), got};
            return Step::body;
        }
        if (starved || used == 0) {
            // A chunk's first line, or its trailers, must end some time.
            if (parser_->buffer.size() > limits_.header_bytes)
                return refuse({400, "malformed body: a chunk without an end"});
            return Step::more;
        }
    }
}

}  // namespace gantry::http
