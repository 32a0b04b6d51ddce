#include "core/container/log_segment.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include <gantry/driver.hpp>

#include "core/base/base64.hpp"
#include "core/base/clock.hpp"

namespace gantry::container {
namespace {

using monitor::LogHeader;
using monitor::LogStream;

constexpr std::size_t read_bytes = 256u << 10;
// A line of "json-file": 16 KiB of payload, eight bytes for each at worst (six, and base64 of what is no UTF-8). Longer is
// damage.
constexpr std::size_t longest_json_line = 256u << 10;

std::string_view magic_bytes() {
    static constexpr std::uint32_t magic = LogHeader::log_magic;
    return {reinterpret_cast<const char*>(&magic), sizeof magic};
}

// As in the query of an address: a value must not look like the next name, nor like the line's text.
std::string query_escaped(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        char code[4];
        if (plain || c == '-' || c == '_' || c == '.' || c == '~')
            escaped += c;
        else if (c == ' ')
            escaped += '+';
        else
            escaped.append(code, static_cast<std::size_t>(
                                     std::snprintf(code, sizeof code, "%%%02X", static_cast<unsigned char>(c))));
    }
    return escaped;
}

std::string details_of(const Json& attributes) {
    std::string details;
    if (!attributes.is_object()) return details;
    for (const auto& [name, value] : attributes.items())
        if (value.is_string())
            details += (details.empty() ? "" : ",") + query_escaped(name) + "=" +
                       query_escaped(value.get_ref<const std::string&>());
    return details;
}

}  // namespace

LogSegment::LogSegment(UniqueFd file, Format format) : file_(std::move(file)), format_(format) {
    struct stat info {};
    if (::fstat(file_.get(), &info) == 0) inode_ = info.st_ino;
}

std::int64_t LogSegment::modified_ns() const {
    struct stat info {};
    if (::fstat(file_.get(), &info) != 0) return 0;
    return std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

void LogSegment::limit_to_size() {
    struct stat info {};
    if (::fstat(file_.get(), &info) == 0) limit_ = info.st_size;
}

bool LogSegment::fill() {
    if (at_ > 0) {
        buffer_.erase(0, at_);
        at_ = 0;
    }
    std::size_t wanted = read_bytes;
    if (limit_ >= 0)
        wanted = static_cast<std::size_t>(std::clamp<std::int64_t>(limit_ - offset_, 0, std::int64_t{read_bytes}));
    std::size_t before = buffer_.size();
    buffer_.resize(before + wanted);
    ssize_t n = 0;
    while ((n = ::pread(file_.get(), buffer_.data() + before, wanted, offset_)) < 0 && errno == EINTR) {
    }
    buffer_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (n <= 0) return false;
    offset_ += n;
    return true;
}

// A file that is shorter than what was read of it was emptied by someone: it begins anew.
void LogSegment::restart_if_truncated() {
    struct stat info {};
    if (::fstat(file_.get(), &info) != 0 || info.st_size >= offset_) return;
    offset_ = 0;
    buffer_.clear();
    at_ = 0;
}

std::optional<LogEntry> LogSegment::next(bool last) {
    return format_ == Format::local ? next_local(last) : next_json(last);
}

bool LogSegment::sound_header(std::size_t at, LogHeader& header) const {
    if (at + sizeof header > buffer_.size()) return false;
    std::memcpy(&header, buffer_.data() + at, sizeof header);
    return header.magic == LogHeader::log_magic && header.check == log_check(header) &&
           header.length <= monitor::max_log_entry && header.stream >= 1 && header.stream <= 3;
}

std::size_t LogSegment::find_header(std::size_t from) const {
    LogHeader header;
    for (std::size_t at = buffer_.find(magic_bytes(), from); at != std::string::npos;
         at = buffer_.find(magic_bytes(), at + 1))
        if (sound_header(at, header)) return at;
    return std::string::npos;
}

std::optional<LogEntry> LogSegment::next_local(bool last) {
    for (;;) {
        LogHeader header;
        if (buffer_.size() - at_ < sizeof header) {
            if (fill()) continue;
            restart_if_truncated();
            return std::nullopt;
        }
        if (!sound_header(at_, header)) {
            // Damage: on to the next sound entry. A header may be cut by the end of the buffer.
            std::size_t found = find_header(at_);
            if (found != std::string::npos) {
                at_ = found;
                continue;
            }
            at_ = buffer_.size() - (sizeof header - 1);
            if (fill()) continue;
            restart_if_truncated();
            return std::nullopt;
        }
        std::size_t begin = at_ + sizeof header, end = begin + header.length;
        if (buffer_.size() < end + sizeof header && fill()) continue;
        begin = at_ + sizeof header;
        end = begin + header.length;
        bool torn = buffer_.size() < end;
        if (torn && !last) return std::nullopt;
        LogHeader following;
        if (torn || (buffer_.size() >= end + sizeof following && !sound_header(end, following))) {
            // The entry was cut by a crash, and later ones were written behind the cut.
            std::size_t found = find_header(begin);
            end = found != std::string::npos && found < end ? found : std::min(end, buffer_.size());
        }
        at_ = end;
        return LogEntry{static_cast<LogStream>(header.stream),
                        header.time_ns,
                        std::string_view(buffer_).substr(begin, end - begin),
                        false,
                        {}};
    }
}

std::optional<LogEntry> LogSegment::next_json(bool last) {
    for (;;) {
        std::size_t newline = buffer_.find('\n', at_);
        if (newline == std::string::npos) {
            if (buffer_.size() - at_ > longest_json_line) at_ = buffer_.size();
            if (fill()) continue;
            restart_if_truncated();
            if (!last || at_ == buffer_.size()) return std::nullopt;
            newline = buffer_.size();
        }
        std::string_view line = std::string_view(buffer_).substr(at_, newline - at_);
        at_ = std::min(newline + 1, buffer_.size());
        // What a crash left before a sound line: zeros, or the beginning of another line.
        std::size_t begin = line.rfind("{\"log\":\"");
        while (begin != std::string_view::npos) {
            Json json = Json::parse(line.substr(begin), nullptr, false);
            if (json.is_object() && json.contains("log")) {
                text_ = member<std::string>(json, "log");
                if (json.contains("bytes"))
                    if (auto bytes = from_base64(member<std::string>(json, "bytes"))) text_ = std::move(*bytes);
                LogStream stream = member<std::string>(json, "stream") == "stderr" ? LogStream::err : LogStream::out;
                details_ = details_of(member<Json>(json, "attrs"));
                return LogEntry{stream, parse_rfc3339(member<std::string>(json, "time")).value_or(0), text_, true,
                                details_};
            }
            if (begin == 0) break;
            begin = line.rfind("{\"log\":\"", begin - 1);
        }
    }
}

std::size_t LogSegment::count_lines(bool out, bool err, bool partial) const {
    UniqueFd copy(::fcntl(file_.get(), F_DUPFD_CLOEXEC, 3));
    LogSegment fresh(std::move(copy), format_);
    fresh.limit_ = limit_;
    std::size_t lines = 0;
    bool open[2] = {false, false};
    if (format_ == Format::json) {
        // Without parsing: a line of text ends in \n", and the stream stands after it.
        for (;;) {
            std::size_t newline = fresh.buffer_.find('\n', fresh.at_);
            if (newline == std::string::npos) {
                if (fresh.buffer_.size() - fresh.at_ > longest_json_line) fresh.at_ = fresh.buffer_.size();
                if (!fresh.fill()) break;
                continue;
            }
            std::string_view line = std::string_view(fresh.buffer_).substr(fresh.at_, newline - fresh.at_);
            fresh.at_ = newline + 1;
            std::size_t stream = line.rfind("\",\"stream\":\"std");
            if (stream == std::string_view::npos || stream < 8) continue;
            bool is_err = line.compare(stream + 15, 3, "err") == 0;
            if (!(is_err ? err : out)) continue;
            bool ends = line.substr(stream - 2, 2) == "\\n";
            if (ends) ++lines;
            open[is_err] = !ends;
        }
    } else {
        while (auto entry = fresh.next_local(true)) {
            bool is_err = entry->stream != LogStream::out;
            if (!(is_err ? err : out) || entry->bytes.empty()) continue;
            if (entry->stream == LogStream::notice) {
                ++lines;
                continue;
            }
            lines += static_cast<std::size_t>(std::count(entry->bytes.begin(), entry->bytes.end(), '\n'));
            open[is_err] = entry->bytes.back() != '\n';
        }
    }
    if (partial) lines += static_cast<std::size_t>(open[0]) + static_cast<std::size_t>(open[1]);
    return lines;
}

}  // namespace gantry::container
