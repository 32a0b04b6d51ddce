// The files of a container's log directory: names and the framing of the "local" driver. Shared by the writer in the
// monitor and the reader in the engine.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace gantry::monitor {

// Who wrote the bytes. notice: the monitor itself; its payload is the number of lost bytes as 8 bytes, little-endian.
enum class LogStream : std::uint8_t { out = 1, err = 2, notice = 3 };

// Before the bytes of each entry of the "local" driver. Native byte order (a log does not leave its machine).
// Entries hold whatever one read(2) gave: any number of lines, also parts of lines.
struct LogHeader {
    std::uint32_t magic = log_magic;
    std::uint8_t stream = 0;
    std::uint8_t reserved[3] = {};
    std::uint32_t length = 0;
    std::uint32_t check = 0;  // log_check(): tells a header from bytes that look like one
    std::int64_t time_ns = 0;

    static constexpr std::uint32_t log_magic = 0x31474c47;  // "GLG1"
};
static_assert(sizeof(LogHeader) == 24);
inline constexpr std::uint32_t max_log_entry = 1u << 20;

constexpr std::uint32_t log_check(const LogHeader& h) {
    std::uint64_t mix = h.magic ^ (std::uint64_t{h.stream} << 40) ^ (std::uint64_t{h.length} << 7) ^
                        static_cast<std::uint64_t>(h.time_ns);
    mix *= 0x9e3779b97f4a7c15u;
    return static_cast<std::uint32_t>(mix >> 32) ^ static_cast<std::uint32_t>(mix);
}

// The current file of a log directory; rotated ones end in ".1" (the newest), ".2", ...
inline constexpr std::string_view local_log_name = "local.log", json_log_name = "json.log";
// A line longer than this is written by "json-file", and given by the reader, in pieces of this size.
inline constexpr std::size_t log_piece_bytes = 16384;

}  // namespace gantry::monitor
