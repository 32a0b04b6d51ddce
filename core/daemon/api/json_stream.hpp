// A reply of JSON messages, one a line, that begins with the first message: what fails before it still has its status.
#pragma once
#include <functional>
#include <memory>
#include <mutex>

#include "core/daemon/http/http.hpp"

namespace gantry::daemon {

class JsonStream {
public:
    explicit JsonStream(std::shared_ptr<http::Responder> reply, std::map<std::string, std::string> headers = {})
        : reply_(std::move(reply)), headers_(std::move(headers)) {}
    // Any thread. Lost where the client has gone.
    void send(const Json& message);
    // The end. A failure becomes the last message in Docker's form, or the reply itself where nothing was sent. `exit_code`:
    // of the process that failed, 0: none did.
    void end(const Error& error, int exit_code = 0);
    void end();
    bool client_gone();
    // `gone` is called when the client goes, on a reactor thread, or at once; {} takes it back, and waits for one that is
    // being called. Must not block.
    void on_client_gone(std::function<void()> gone);

private:
    void begin();
    struct Gate {
        std::mutex mutex;
        std::function<void()> gone;
    };
    std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
    std::mutex mutex_;
    std::shared_ptr<http::Responder> reply_;
    const std::map<std::string, std::string> headers_;
    std::shared_ptr<http::Stream> stream_;
};

}  // namespace gantry::daemon
