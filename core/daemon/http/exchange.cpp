#include "core/daemon/http/exchange.hpp"

#include <atomic>
#include <cstdio>

#include "core/base/failpoint.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"

namespace gantry::http {
namespace {

class ChunkedStream final : public Stream {
public:
    enum class Form { chunked = 1, until_close, nothing };
    ChunkedStream(std::shared_ptr<Connection> connection, std::uint64_t exchange, Form form, After after)
        : connection_(std::move(connection)), exchange_(exchange), form_(form), after_(after) {
        connection_->watch(exchange_, {});
    }
    ~ChunkedStream() override {
        if (form_ == Form::chunked && !aborted_) connection_->send({"0\r\n\r\n"});
        connection_->exchange_over(exchange_, aborted_ ? After::close : after_);
    }

    Result<void> write(std::string_view data) override {
        if (connection_->output().gone()) return gone();
        if (data.empty() || form_ == Form::nothing) return {};
        // The reactor must not wait for itself.
        if (!connection_->core().on_reactor() && !connection_->output().wait_for_room(stream_room)) return gone();
        char size[24];
        const int length = std::snprintf(size, sizeof size, "%zx\r\n", data.size());
        const bool sent =
            form_ == Form::chunked
                ? connection_->send({std::string_view(size, static_cast<std::size_t>(length)), data, "\r\n"})
                : connection_->send({data});
        if (!sent) return gone();
        return {};
    }
    bool client_gone() const override { return connection_->output().gone(); }
    void abort() override { aborted_ = true; }
    void on_client_gone(std::function<void()> gone_callback) override {
        connection_->watch(exchange_, std::move(gone_callback));
    }
    std::size_t pending() const override { return connection_->output().pending(); }

private:
    static Error gone() { return fail(Code::cancelled, "the client has gone"); }

    std::shared_ptr<Connection> connection_;
    const std::uint64_t exchange_;
    const Form form_;
    const After after_;
    std::atomic<bool> aborted_ = false;
};

// Answers a client that nobody will answer: never goes anywhere, but keeps the contract of a Stream.
class DeafStream final : public Stream {
public:
    Result<void> write(std::string_view) override { return fail(Code::internal, "the request was answered before"); }
    bool client_gone() const override { return true; }
    void on_client_gone(std::function<void()> gone) override { gone(); }
};

}  // namespace

Exchange::Exchange(std::shared_ptr<Connection> connection, std::uint64_t number, ExchangeHead about)
    : connection_(std::move(connection)), number_(number), about_(about) {}

Exchange::~Exchange() {
    if (!answered_) error(fail(Code::internal, "the engine gave no answer to this request"));
}

bool Exchange::claim() {
    if (!answered_.exchange(true)) return true;
    log::error("a request was answered twice");
    return false;
}

// `body` null: none.
void Exchange::answer(const Head& head, std::shared_ptr<const std::string> body) {
    Head full = head;
    full.after = about_.keep_alive ? After::keep_alive : After::close;
    if (body && !about_.head_only)
        connection_->send(make_head(full), std::move(body));
    else
        connection_->send({make_head(full)});
    connection_->exchange_over(number_, full.after);
}

void Exchange::abandon() {
    if (claim()) connection_->exchange_over(number_, After::close);
}

void Exchange::json(int status, const Json& body) {
    text(status, "application/json", body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n", {});
}

void Exchange::empty(int status) {
    if (!claim()) return;
    Head head;
    head.status = status;
    // 204 and 304 have no body by definition; the others say so.
    if (status != 204 && status != 304) head.content_length = 0;
    answer(head, nullptr);
}

void Exchange::text(int status, std::string_view content_type, std::string body,
                    const std::map<std::string, std::string>& headers) {
    shared_text(status, content_type, std::make_shared<const std::string>(std::move(body)), headers);
}

void Exchange::shared_text(int status, std::string_view content_type, std::shared_ptr<const std::string> body,
                           const std::map<std::string, std::string>& headers) {
    if (!claim()) return;
    Head head;
    head.status = status;
    head.content_type = content_type;
    head.content_length = body->size();
    head.more = &headers;
    answer(head, std::move(body));
}

void Exchange::error(const Error& error) {
    const int status = status_of(error.code);
    if (status == 500) log::error("a request failed", {{"error", error.text}});
    text(status, "application/json", "{\"message\":" + quote_json(error.text) + "}\n", {});
}

std::shared_ptr<Stream> Exchange::stream(int status, std::string_view content_type,
                                         const std::map<std::string, std::string>& headers) {
    if (!claim()) return std::make_shared<DeafStream>();
    Head head;
    head.status = status;
    head.content_type = content_type;
    head.more = &headers;
    head.chunked = about_.http11;
    head.after = about_.keep_alive && about_.http11 ? After::keep_alive : After::close;
    auto form = about_.http11 ? ChunkedStream::Form::chunked : ChunkedStream::Form::until_close;
    if (about_.head_only) form = ChunkedStream::Form::nothing;
    connection_->send({make_head(head)});
    return std::make_shared<ChunkedStream>(connection_, number_, form, head.after);
}

Result<Hijacked> Exchange::hijack(std::string_view content_type) {
    if (!claim()) return fail(Code::internal, "the request was answered before");
    return connection_->give_away(make_hijack_head(about_.upgrade, content_type));
}

Result<Hijacked> Exchange::upgrade(std::string_view protocol) {
    if (!claim()) return fail(Code::internal, "the request was answered before");
    return connection_->give_away(make_hijack_head(protocol, {}));
}

Result<Hijacked> Exchange::take_over() {
    if (!claim()) return fail(Code::internal, "the request was answered before");
    return connection_->give_away({});
}

void Exchange::on_client_gone(std::function<void()> gone) { connection_->watch(number_, std::move(gone)); }

namespace {
Result<void> before_handler() {
    GANTRY_FAILPOINT("http.handle");
    return {};
}
}  // namespace

void run_handler(const Handler& handler, Request request, const std::shared_ptr<Exchange>& exchange) {
    if (auto fit = before_handler(); !fit) return exchange->error(fit.error());
    try {
        handler(std::move(request), exchange);
    } catch (const Json::type_error& e) {
        // A member of the body is of a type that its reader did not expect.
        const std::string_view what = e.what();
        exchange->error(fail(Code::invalid, "invalid JSON: a member of the body has the wrong type: " +
                                                std::string(what.substr(std::min(what.size(), what.find("] ") + 2)))));
    } catch (const std::exception& e) {
        exchange->error(fail(Code::internal, std::string("exception in a request handler: ") + e.what()));
    } catch (...) {
        exchange->error(fail(Code::internal, "exception of unknown type in a request handler"));
    }
}

}  // namespace gantry::http
