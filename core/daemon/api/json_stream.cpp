#include "core/daemon/api/json_stream.hpp"

namespace gantry::daemon {

void JsonStream::send(const Json& message) {
    std::lock_guard lock(mutex_);
    if (!reply_) return;
    if (!stream_) stream_ = reply_->stream(200, "application/json");
    (void)stream_->write(message.dump(-1, ' ', false, Json::error_handler_t::replace) + "\r\n");
}

void JsonStream::end(const Error& error) {
    {
        std::lock_guard lock(mutex_);
        if (!reply_) return;
        if (!stream_) {
            std::exchange(reply_, nullptr)->error(error);
            return;
        }
    }
    send({{"errorDetail", {{"message", error.text}}}, {"error", error.text}});
    end();
}

void JsonStream::end() {
    std::lock_guard lock(mutex_);
    if (!reply_) return;
    if (!stream_) stream_ = reply_->stream(200, "application/json");
    stream_.reset();
    reply_.reset();
}

bool JsonStream::client_gone() {
    std::lock_guard lock(mutex_);
    return stream_ && stream_->client_gone();
}

}  // namespace gantry::daemon
