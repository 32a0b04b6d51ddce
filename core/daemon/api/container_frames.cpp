#include "core/daemon/api/log_frames.hpp"

namespace gantry::daemon {

void append_frame(std::string* data, monitor::LogStream stream, std::string_view text, bool raw) {
    if (!raw) {
        *data += stream == monitor::LogStream::err ? '\x02' : '\x01';
        data->append(3, '\0');
        for (int shift = 24; shift >= 0; shift -= 8) *data += static_cast<char>((text.size() >> shift) & 0xff);
    }
    *data += text;
}

}  // namespace gantry::daemon
