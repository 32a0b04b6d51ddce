#include "core/cli/build/frame.hpp"

#include "core/cli/json_access.hpp"

namespace gantry::cli {
namespace {

void put_number(std::string& out, std::size_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
}

std::size_t number_in(std::string_view text) {
    std::size_t value = 0;
    for (char c : text.substr(0, 4)) value = (value << 8) | static_cast<unsigned char>(c);
    return value;
}

}  // namespace

Result<std::string> encode_frame(const Json& header, std::string_view body) {
    const std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > frame_header_limit)
        return fail(Code::exhausted,
                    "a message to the engine (\"" + text_at(header, "type") + "\") is larger than 1 MiB");
    std::string frame;
    frame.reserve(8 + text.size() + body.size());
    put_number(frame, text.size());
    put_number(frame, body.size());
    return frame.append(text).append(body);
}

Result<std::optional<Frame>> FrameReader::next() {
    std::string_view rest = std::string_view(buffer_).substr(at_);
    if (rest.size() < 8) return std::optional<Frame>();
    const std::size_t header = number_in(rest), body = number_in(rest.substr(4));
    if (header > frame_header_limit || body > frame_body_limit)
        return fail(Code::corrupt, "the engine sent a frame larger than the session allows");
    if (rest.size() < 8 + header + body) return std::optional<Frame>();
    Frame frame{parse_json(rest.substr(8, header)), std::string(rest.substr(8 + header, body))};
    if (!frame.header.is_object() || !member(frame.header, "type").is_string())
        return fail(Code::corrupt, "the engine sent a frame without a type");
    at_ += 8 + header + body;
    // What has been taken is let go of in large pieces.
    if (at_ == buffer_.size() || at_ > (4u << 20)) {
        buffer_.erase(0, at_);
        at_ = 0;
    }
    return std::optional<Frame>(std::move(frame));
}

}  // namespace gantry::cli
