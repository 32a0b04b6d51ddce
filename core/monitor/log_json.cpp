#include "core/monitor/log_json.hpp"

#include <array>

#include "core/base/base64.hpp"
#include "core/base/clock.hpp"

namespace gantry::monitor {
namespace {

// The length of the valid UTF-8 sequence at the start of `text`, 0 for none.
std::size_t utf8_length(std::string_view text) {
    auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    auto tail = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
    unsigned first = byte(0);
    if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        unsigned low = first == 0xe0 ? 0xa0 : 0x80, high = first == 0xed ? 0x9f : 0xbf;
        return byte(1) >= low && byte(1) <= high && tail(2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        unsigned low = first == 0xf0 ? 0x90 : 0x80, high = first == 0xf4 ? 0x8f : 0xbf;
        return byte(1) >= low && byte(1) <= high && tail(2) && tail(3) ? 4 : 0;
    }
    return 0;
}

// What stands in a JSON text as it is: most of what containers write, so that it is copied in runs.
constexpr std::array<bool, 256> plain_bytes = [] {
    std::array<bool, 256> plain{};
    for (unsigned c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
    return plain;
}();

// As Docker's own writer escapes (moby daemon/logger/jsonfilelog/jsonlog). false: not all of it was UTF-8.
bool append_escaped(std::string& out, std::string_view text) {
    static constexpr char digits[] = "0123456789abcdef";
    bool utf8 = true;
    for (std::size_t i = 0; i < text.size();) {
        std::size_t run = i;
        while (run < text.size() && plain_bytes[static_cast<unsigned char>(text[run])]) ++run;
        out.append(text.substr(i, run - i));
        if (run == text.size()) break;
        i = run;
        auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x80) {
            std::size_t length = utf8_length(text.substr(i));
            if (length == 0) {
                out += "\\ufffd";
                utf8 = false;
                ++i;
            } else if (length == 3 && c == 0xe2 && text[i + 1] == '\x80' &&
                       (text[i + 2] == '\xa8' || text[i + 2] == '\xa9')) {
                out += text[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
                i += 3;
            } else {
                out.append(text.substr(i, length));
                i += length;
            }
            continue;
        }
        ++i;
        switch (c) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        default:
            out += "\\u00";
            out += digits[c >> 4];
            out += digits[c & 15];
        }
    }
    return utf8;
}

class JsonLog final : public LogWriter {
public:
    JsonLog(LogFile file, const Json& attributes) : file_(std::move(file)) {
        if (attributes.is_object() && !attributes.empty())
            attributes_ = "\"attrs\":" + attributes.dump(-1, ' ', false, Json::error_handler_t::replace) + ",";
    }

    void write(LogStream stream, std::string_view bytes) override {
        std::string& held = held_[stream == LogStream::err];
        time_ = log_time(wall_clock_ns());
        while (!bytes.empty()) {
            std::size_t room = log_piece_bytes - held.size();
            std::size_t newline = bytes.substr(0, room).find('\n');
            bool whole = newline != std::string_view::npos;
            if (!whole && bytes.size() < room) {
                held.append(bytes);
                break;
            }
            std::string_view piece = bytes.substr(0, whole ? newline + 1 : room);
            bytes.remove_prefix(piece.size());
            if (held.empty()) {
                line(stream, piece);
            } else {
                held.append(piece);
                line(stream, held);
                held.clear();
            }
        }
        write_out();
    }

    void flush() override {
        time_ = log_time(wall_clock_ns());
        for (LogStream stream : {LogStream::out, LogStream::err}) {
            std::string& held = held_[stream == LogStream::err];
            if (!held.empty()) line(stream, held);
            held.clear();
        }
        write_out();
    }

    bool holds() const override { return !held_[0].empty() || !held_[1].empty(); }

private:
    void line(LogStream stream, std::string_view text) {
        if (!batch_.empty() && static_cast<std::int64_t>(batch_.size() + text.size() * 2) >
                                   std::min<std::int64_t>(file_.max_size(), 1 << 18))
            write_out();
        batch_ += "{\"log\":\"";
        bool utf8 = append_escaped(batch_, text);
        batch_ += stream == LogStream::err ? "\",\"stream\":\"stderr\"," : "\",\"stream\":\"stdout\",";
        batch_ += attributes_;
        batch_ += "\"time\":\"";
        batch_ += time_;
        if (!utf8) {
            // Docker's line has lost the bytes; ours gives them back, and other readers pass over the member.
            batch_ += "\",\"bytes\":\"";
            batch_ += to_base64(text);
        }
        batch_ += "\"}\n";
        pending_bytes_ += text.size();
    }

    void write_out() {
        if (batch_.empty()) return;
        if (dropped_) {
            std::string lost = "{\"log\":\"[gantry: " + std::to_string(dropped_) +
                               " bytes of output were not logged]\\n\",\"stream\":\"stderr\",\"time\":\"" + time_ +
                               "\"}\n";
            const iovec part{lost.data(), lost.size()};
            if (file_.append(&part, 1, lost.size())) dropped_ = 0;
        }
        const iovec part{batch_.data(), batch_.size()};
        if (!file_.append(&part, 1, batch_.size())) dropped_ += pending_bytes_;
        pending_bytes_ = 0;
        batch_.clear();
        if (batch_.capacity() > 65536) batch_.shrink_to_fit();
    }

    LogFile file_;
    std::string held_[2], batch_, time_, attributes_;
    std::uint64_t pending_bytes_ = 0, dropped_ = 0;
};

}  // namespace

std::unique_ptr<LogWriter> make_json_log(LogFile file, const Json& attributes) {
    return std::make_unique<JsonLog>(std::move(file), attributes);
}

std::string log_time(std::int64_t wall_ns) {
    std::string text = rfc3339(wall_ns);
    std::size_t dot = text.find('.');
    if (dot == std::string::npos) return text;
    std::size_t last = text.find_last_not_of('0', text.size() - 2);
    text.erase(last == dot ? dot : last + 1, text.size() - 1 - (last == dot ? dot : last + 1));
    return text;
}

}  // namespace gantry::monitor
