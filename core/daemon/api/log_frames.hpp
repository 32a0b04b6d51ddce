// How what a container wrote goes to a client: raw where it has a terminal, otherwise in Docker's frames.
#pragma once
#include <string>
#include <string_view>

#include "core/container/log_reader.hpp"

namespace gantry::daemon {

inline constexpr std::size_t frame_header_size = 8;

// Appends `text` to *data; without `raw` behind a frame's header, whose stream is 1 (out) or 2 (error).
void append_frame(std::string* data, monitor::LogStream stream, std::string_view text, bool raw);

}  // namespace gantry::daemon
