// The response half of HTTP/1.1, pushed with bytes as they come. Boost.Beast's parser behind it, in http_parser.cpp only.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <gantry/result.hpp>

namespace gantry::cli {

class ResponseParser {
public:
    ResponseParser();
    ~ResponseParser();
    ResponseParser(ResponseParser&&) noexcept;
    ResponseParser& operator=(ResponseParser&&) noexcept;

    // Takes what it can of `bytes` and says how many; the rest belongs to what follows (a hijacked stream).
    // GANTRY_CORRUPT: not HTTP.
    Result<std::size_t> push(std::string_view bytes);
    // The peer has closed: ends a body that has no length of its own. GANTRY_CORRUPT: in the middle of a message.
    Result<void> push_end();

    bool head_done() const;  // status and headers are known
    bool done() const;       // the body is complete too; with 101 as soon as the head is
    bool keep_alive() const;
    int status() const;
    // Value of a header (any case), "" where there is none.
    std::string header(std::string_view name) const;
    // What has come of the body since the last call.
    std::string take_body();
    // The answer is to a HEAD request: no body follows.
    void expect_no_body();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::cli
