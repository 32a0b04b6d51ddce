#include "core/store/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "core/base/files.hpp"

namespace gantry::store {
namespace {

constexpr std::int64_t log_reserve = 2 << 20;
constexpr std::int64_t start_reserve = 256 << 10;
constexpr std::size_t log_head = 32, frame_head = 24;
constexpr const char* open_text = "open  \n";
constexpr const char* closed_text = "closed\n";

std::string mark_file(const std::string& path) { return path + ".state"; }
std::string reserve_file(const std::string& path) { return path + ".reserve"; }

std::uint32_t big_endian(const unsigned char* p) {
    return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | std::uint32_t{p[3]};
}

// SQLite's running checksum over pairs of words, in the byte order that the log's first word names.
struct Checksum {
    bool big;
    std::uint32_t first = 0, second = 0;
    std::uint32_t word(const unsigned char* p) const {
        return big ? big_endian(p)
                   : std::uint32_t{p[3]} << 24 | std::uint32_t{p[2]} << 16 | std::uint32_t{p[1]} << 8 |
                         std::uint32_t{p[0]};
    }
    void add(const unsigned char* p, std::size_t bytes) {
        for (std::size_t i = 0; i + 8 <= bytes; i += 8) {
            first += word(p + i) + second;
            second += word(p + i + 4) + first;
        }
    }
    bool is(const unsigned char* p) const { return big_endian(p) == first && big_endian(p + 4) == second; }
};

bool read_at(int fd, unsigned char* to, std::size_t bytes, std::int64_t at) {
    return ::pread(fd, to, bytes, at) == static_cast<ssize_t>(bytes);
}

}  // namespace

Mark read_mark(const std::string& path) {
    auto text = read_file(mark_file(path), 64);
    if (!text) return Mark::none;
    return *text == closed_text ? Mark::closed : Mark::open;
}

// In place: a full disk has no room for a second file.
Result<void> write_mark(const std::string& path, Mark mark) {
    GANTRY_TRY(UniqueFd fd, open_file(mark_file(path), O_WRONLY | O_CREAT, 0600));
    return write_all(fd.get(), mark == Mark::closed ? closed_text : open_text);
}

std::string mend_end_of_file(const std::string& path) {
    constexpr std::int64_t page = 4096;
    auto fd = open_file(path, O_RDWR);
    struct stat info {};
    if (!fd || ::fstat(fd->get(), &info) != 0 || info.st_size % page == 0) return {};
    const std::int64_t number = info.st_size / page + 1;
    std::string reason = "the file was cut within its page " + std::to_string(number);
    if (::ftruncate(fd->get(), number * page) != 0)
        reason += "; its end cannot be mended: " + std::string(std::strerror(errno));
    return reason;
}

std::string damage_of_log(const std::string& path) {
    auto fd = open_file(path + "-wal", O_RDONLY);
    unsigned char head[log_head];
    struct stat info {};
    if (!fd || ::fstat(fd->get(), &info) != 0 || info.st_size == 0) return {};
    if (!read_at(fd->get(), head, log_head, 0)) return "the log is shorter than its head";
    const std::uint32_t magic = big_endian(head);
    const std::size_t page = big_endian(head + 8);
    if ((magic & ~1u) != 0x377f0682u || page < 512 || page > 65536 || (page & (page - 1)) != 0)
        return "the head of the log is damaged";
    Checksum sum{(magic & 1u) != 0};
    sum.add(head, 24);
    if (!sum.is(head + 24)) return "the head of the log is damaged";

    const auto frame = static_cast<std::int64_t>(frame_head + page);
    const std::int64_t frames = (info.st_size - static_cast<std::int64_t>(log_head)) / frame;
    std::vector<unsigned char> buffer(frame_head + page);
    std::int64_t bad = -1;
    for (std::int64_t i = 0; i < frames; ++i) {
        // Once one is bad, those after it need only show whether they belong to the same run of the log.
        const std::size_t wanted = bad < 0 ? buffer.size() : frame_head;
        if (!read_at(fd->get(), buffer.data(), wanted, static_cast<std::int64_t>(log_head) + i * frame)) break;
        const bool same_run = std::equal(buffer.data() + 8, buffer.data() + 16, head + 16);
        if (bad >= 0) {
            if (same_run)
                return "frame " + std::to_string(bad + 1) + " of " + std::to_string(frames) +
                       " of the log is damaged, and later ones are there";
            continue;
        }
        if (same_run) {
            sum.add(buffer.data(), 8);
            sum.add(buffer.data() + frame_head, page);
        }
        if (!same_run || !sum.is(buffer.data() + 16)) bad = i;
    }
    return {};
}

std::int64_t reserve_log(const std::string& path, std::int64_t log_bytes) {
    // The log carries no lock of SQLite's, so a descriptor of our own may come and go.
    auto fd = open_file(path + "-wal", O_RDWR);
    if (!fd) return log_bytes;
    const std::int64_t end = log_bytes + log_reserve;
    return ::fallocate(fd->get(), FALLOC_FL_KEEP_SIZE, 0, end) == 0 ? end : log_bytes;
}

void release_start_reserve(const std::string& path) { ::unlink(reserve_file(path).c_str()); }

void take_start_reserve(const std::string& path) {
    auto fd = open_file(reserve_file(path), O_RDWR | O_CREAT, 0600);
    if (fd && ::fallocate(fd->get(), 0, 0, start_reserve) != 0) ::unlink(reserve_file(path).c_str());
}

}  // namespace gantry::store
