#include "core/daemon/api/json_stream.hpp"

namespace gantry::daemon {

// mutex_ is held.
void JsonStream::begin() {
    if (stream_) return;
    stream_ = reply_->stream(200, "application/json", headers_);
    stream_->on_client_gone([gate = gate_] {
        std::lock_guard lock(gate->mutex);
        if (gate->gone) gate->gone();
    });
}

void JsonStream::on_client_gone(std::function<void()> gone) {
    bool watch = false;
    {
        std::lock_guard lock(gate_->mutex);
        watch = bool(gone);
        gate_->gone = std::move(gone);
    }
    std::lock_guard lock(mutex_);
    if (!watch || stream_ || !reply_) return;
    reply_->on_client_gone([gate = gate_] {
        std::lock_guard called(gate->mutex);
        if (gate->gone) gate->gone();
    });
}

void JsonStream::send(const Json& message) {
    std::lock_guard lock(mutex_);
    if (!reply_) return;
    begin();
    (void)stream_->write(message.dump(-1, ' ', false, Json::error_handler_t::replace) + "\r\n");
}

void JsonStream::end(const Error& error, int exit_code) {
    {
        std::lock_guard lock(mutex_);
        if (!reply_) return;
        if (!stream_) {
            std::exchange(reply_, nullptr)->error(error);
            return;
        }
    }
    Json detail{{"message", error.text}};
    if (exit_code != 0) detail["code"] = exit_code;
    send({{"errorDetail", std::move(detail)}, {"error", error.text}});
    end();
}

void JsonStream::end() {
    std::lock_guard lock(mutex_);
    if (!reply_) return;
    begin();
    stream_.reset();
    reply_.reset();
}

bool JsonStream::client_gone() {
    std::lock_guard lock(mutex_);
    return stream_ && stream_->client_gone();
}

}  // namespace gantry::daemon
