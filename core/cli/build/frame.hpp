// Frames of the build session (core/build/PROTOCOL.md): two lengths, a JSON object, bytes.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::cli {

inline constexpr std::size_t frame_header_limit = 1u << 20, frame_body_limit = 1u << 20;

struct Frame {
    Json header;
    std::string body;
};

// The bytes of one frame. GANTRY_EXHAUSTED: the header is larger than 1 MiB. `body`: 1 MiB at most (the caller's duty).
Result<std::string> encode_frame(const Json& header, std::string_view body = {});

// Takes bytes as they come and gives whole frames.
class FrameReader {
public:
    void push(std::string_view bytes) { buffer_.append(bytes); }
    // The next frame; nullopt: not there yet. GANTRY_CORRUPT: not a frame.
    Result<std::optional<Frame>> next();
    // How much waits for the rest of its frame.
    std::size_t pending() const { return buffer_.size() - at_; }

private:
    std::string buffer_;
    std::size_t at_ = 0;
};

}  // namespace gantry::cli
