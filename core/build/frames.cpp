#include "core/build/frames.hpp"

#include <sys/socket.h>

namespace gantry::build {
namespace {

std::size_t number_at(const char* bytes) {
    std::size_t value = 0;
    for (int i = 0; i < 4; ++i) value = (value << 8) | static_cast<unsigned char>(bytes[i]);
    return value;
}
void put_number(std::string& out, std::size_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
}

Error gone() { return fail(Code::cancelled, "the client has gone"); }

}  // namespace

Result<void> FrameSocket::read(char* to, std::size_t size) {
    const std::size_t ready = std::min(size, early_.size());
    early_.copy(to, ready);
    early_.erase(0, ready);
    for (std::size_t at = ready; at < size;) {
        const ssize_t n = ::recv(socket_.get(), to + at, size - at, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return gone();
        at += static_cast<std::size_t>(n);
    }
    return {};
}

Result<Frame> FrameSocket::receive() {
    char lengths[8];
    GANTRY_CHECK(read(lengths, sizeof lengths));
    const std::size_t header = number_at(lengths), body = number_at(lengths + 4);
    if (header > most_header || body > most_body)
        return fail(Code::invalid, "the client sent a frame of " + std::to_string(header) + " and " +
                                       std::to_string(body) + " bytes, allowed are 1 MiB each");
    std::string text(header, '\0');
    Frame frame;
    frame.body.resize(body);
    GANTRY_CHECK(read(text.data(), header));
    GANTRY_CHECK(read(frame.body.data(), body));
    frame.header = Json::parse(text, nullptr, false);
    if (!frame.header.is_object() || !frame.header.contains("type") || !frame.header["type"].is_string())
        return fail(Code::invalid, "the client sent a frame whose header is no JSON object with a \"type\"");
    return frame;
}

Result<void> FrameSocket::send(const Json& header, std::string_view body) {
    const std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > most_header || body.size() > most_body)
        return fail(Code::internal, "a frame for the client is too large");
    std::string frame;
    frame.reserve(8 + text.size() + body.size());
    put_number(frame, text.size());
    put_number(frame, body.size());
    frame.append(text).append(body);
    std::lock_guard lock(sending_);
    for (std::size_t at = 0; at < frame.size();) {
        const ssize_t n = ::send(socket_.get(), frame.data() + at, frame.size() - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return gone();
        at += static_cast<std::size_t>(n);
    }
    return {};
}

void FrameSocket::shut_down() { (void)::shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace gantry::build
