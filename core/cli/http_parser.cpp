#include "core/cli/http_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/detail/clamp.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <limits>

#include "core/base/text.hpp"

namespace gantry::cli {
namespace http = boost::beast::http;
namespace {
using View = boost::beast::string_view;
using ErrorCode = boost::beast::error_code;
}  // namespace

struct ResponseParser::Impl final : http::basic_parser<false> {
    Impl() {
        eager(true);
        header_limit(64u << 10);
        // Not boost::none: of an answer whose head comes alone, Boost 1.74 takes every length for more than that.
        body_limit(std::numeric_limits<std::uint64_t>::max());
    }

    int status_code = 0;
    std::map<std::string, std::string> headers;
    std::string body;
    std::string head;  // bytes of a head that is not complete yet: the parser wants it whole

    void on_request_impl(http::verb, View, View, int, ErrorCode& error) override { error = http::error::bad_version; }
    void on_response_impl(int code, View, int, ErrorCode& error) override {
        status_code = code;
        error = {};
    }
    void on_field_impl(http::field, View name, View value, ErrorCode& error) override {
        headers[to_lower(std::string_view(name.data(), name.size()))] = std::string(value.data(), value.size());
        error = {};
    }
    void on_header_impl(ErrorCode& error) override { error = {}; }
    void on_body_init_impl(boost::optional<std::uint64_t> const&, ErrorCode& error) override { error = {}; }
    std::size_t on_body_impl(View data, ErrorCode& error) override {
        error = {};
        body.append(data.data(), data.size());
        return data.size();
    }
    void on_chunk_header_impl(std::uint64_t, View, ErrorCode& error) override { error = {}; }
    std::size_t on_chunk_body_impl(std::uint64_t, View data, ErrorCode& error) override {
        error = {};
        body.append(data.data(), data.size());
        return data.size();
    }
    void on_finish_impl(ErrorCode& error) override { error = {}; }
};

ResponseParser::ResponseParser() : impl_(std::make_unique<Impl>()) {}
ResponseParser::~ResponseParser() = default;
ResponseParser::ResponseParser(ResponseParser&&) noexcept = default;
ResponseParser& ResponseParser::operator=(ResponseParser&&) noexcept = default;

Result<std::size_t> ResponseParser::push(std::string_view bytes) {
    // What was kept from before is parsed together with what has come.
    std::size_t kept = impl_->head.size();
    std::string whole = std::move(impl_->head) + std::string(bytes);
    impl_->head.clear();
    std::size_t used = 0;
    while (used < whole.size() && !done()) {
        ErrorCode error;
        std::size_t taken = impl_->put(boost::asio::const_buffer(whole.data() + used, whole.size() - used), error);
        used += taken;
        if (error == http::error::need_more) {
            impl_->head = whole.substr(used);
            return bytes.size();
        }
        if (error) return fail(Code::corrupt, "answer of the daemon is not HTTP: " + error.message());
        if (taken == 0) break;
    }
    return used - kept;
}

Result<void> ResponseParser::push_end() {
    if (done()) return {};
    if (!impl_->got_some()) return fail(Code::not_found, "the daemon closed the connection without an answer");
    ErrorCode error;
    impl_->put_eof(error);
    if (error) return fail(Code::corrupt, "the daemon closed the connection in the middle of its answer");
    return {};
}

bool ResponseParser::head_done() const { return impl_->is_header_done(); }
bool ResponseParser::done() const { return impl_->is_done() || (head_done() && impl_->status_code == 101); }
bool ResponseParser::keep_alive() const { return impl_->keep_alive(); }
int ResponseParser::status() const { return impl_->status_code; }
std::string ResponseParser::take_body() { return std::exchange(impl_->body, {}); }
void ResponseParser::expect_no_body() { impl_->skip(true); }

std::string ResponseParser::header(std::string_view name) const {
    auto found = impl_->headers.find(to_lower(name));
    return found == impl_->headers.end() ? std::string() : found->second;
}

}  // namespace gantry::cli
