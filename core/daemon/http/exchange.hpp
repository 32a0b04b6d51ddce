// One request's answer: the Responder that handlers get.
#pragma once
#include <atomic>
#include <memory>

#include "core/daemon/http/connection.hpp"

namespace gantry::http {

struct ExchangeHead {
    bool head_only = false;  // HEAD: headers as for GET, no body
    bool http11 = true;
    bool keep_alive = true;
    std::string upgrade;
};

class Exchange final : public Responder {
public:
    Exchange(std::shared_ptr<Connection> connection, std::uint64_t number, ExchangeHead about);
    ~Exchange() override;

    // No answer: there is nobody to have it.
    void abandon();
    void json(int status, const Json& body) override;
    void empty(int status) override;
    void text(int status, std::string_view content_type, std::string body,
              const std::map<std::string, std::string>& headers) override;
    void shared_text(int status, std::string_view content_type, std::shared_ptr<const std::string> body,
                     const std::map<std::string, std::string>& headers) override;
    void error(const Error& error) override;
    std::shared_ptr<Stream> stream(int status, std::string_view content_type,
                                   const std::map<std::string, std::string>& headers) override;
    Result<Hijacked> hijack(std::string_view content_type) override;
    Result<Hijacked> upgrade(std::string_view protocol) override;
    Result<Hijacked> take_over() override;
    void on_client_gone(std::function<void()> gone) override;

private:
    // True for the one who may answer.
    bool claim();
    void answer(const Head& head, std::shared_ptr<const std::string> body);

    std::shared_ptr<Connection> connection_;
    const std::uint64_t number_;
    const ExchangeHead about_;
    std::atomic<bool> answered_ = false;
};

// Calls the handler; what it throws becomes a 500.
void run_handler(const Handler& handler, Request request, const std::shared_ptr<Exchange>& exchange);

}  // namespace gantry::http
