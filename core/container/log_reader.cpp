#include "core/container/log_reader.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/base/text.hpp"

namespace gantry::container {
namespace {

using monitor::LogStream;

constexpr int most_segments = 1001;
// How long an unfinished line is held back for its end when a log is followed.
constexpr int unfinished_ms = 50, look_again_ms = 1000, directory_ms = 100;

bool exists_at(int directory, std::string_view name) {
    return ::faccessat(directory, std::string(name).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

std::unique_ptr<LogSegment> open_segment(int directory, const std::string& name) {
    UniqueFd file(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    struct stat info {};
    if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return nullptr;
    auto format = name.starts_with(monitor::json_log_name) ? LogSegment::Format::json : LogSegment::Format::local;
    return std::make_unique<LogSegment>(std::move(file), format);
}

std::string segment_name(const std::string& name, int number) {
    return number == 0 ? name : name + "." + std::to_string(number);
}

}  // namespace

LogReader::LogReader(std::string path, LogOptions options) : path_(std::move(path)), options_(options) {}

Result<std::unique_ptr<LogReader>> LogReader::open(const std::string& directory, LogOptions options) {
    std::unique_ptr<LogReader> reader(new LogReader(directory, options));
    reader->wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!reader->wake_) return fail_errno("eventfd");
    GANTRY_CHECK(reader->open_directory());
    if (reader->directory_) reader->begin();
    return reader;
}

// A directory that is not there (yet) is no error.
Result<void> LogReader::open_directory() {
    auto opened = open_file(path_, O_RDONLY | O_DIRECTORY);
    if (!opened) return opened.error().code == Code::not_found ? Result<void>() : std::move(opened).error();
    directory_ = std::move(*opened);
    if (!options_.follow) return {};
    // Before the first look, so that no change is missed.
    inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (inotify_)
        ::inotify_add_watch(inotify_.get(), path_.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF);
    return {};
}

void LogReader::find_log() {
    name_.clear();
    for (std::string_view name : {monitor::local_log_name, monitor::json_log_name})
        if (exists_at(directory_.get(), name)) name_ = name;
}

void LogReader::begin() {
    find_log();
    if (name_.empty()) return;
    open_newer();
    if (!options_.follow && !segments_.empty()) segments_.back()->limit_to_size();
    if (options_.tail) {
        std::size_t wanted = *options_.tail, lines = 0, first = segments_.size();
        // One more than wanted: the first line of the oldest file that is read may be only the end of one.
        while (first > 0 && lines <= wanted) {
            --first;
            lines += segments_[first]->count_lines(options_.out, options_.err, first + 1 == segments_.size());
        }
        segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(first));
        skip_lines_ = lines > wanted ? lines - wanted : 0;
    } else if (options_.since_ns > 0) {
        while (segments_.size() > 1 && segments_.front()->modified_ns() < options_.since_ns) segments_.pop_front();
    }
}

// Opens the files that are newer than the last one that is open. From the newest on: a rotation meanwhile moves files
// towards higher numbers, so none is missed, and one seen twice is known by its inode.
bool LogReader::open_newer() {
    std::deque<std::unique_ptr<LogSegment>> newer;
    ino_t known = segments_.empty() ? 0 : segments_.back()->inode();
    for (int number = 0; number < most_segments; ++number) {
        auto segment = open_segment(directory_.get(), segment_name(name_, number));
        if (!segment) {
            if (number == 0) return false;
            break;
        }
        if (!segments_.empty() && segment->inode() == known) break;
        if (!newer.empty() && newer.front()->inode() == segment->inode()) continue;
        newer.push_front(std::move(segment));
    }
    bool any = !newer.empty();
    for (auto& segment : newer) segments_.push_back(std::move(segment));
    return any;
}

Result<std::optional<LogRecord>> LogReader::next() {
    for (;;) {
        if (stopped_) return std::optional<LogRecord>();
        if (!ready_.empty()) {
            LogRecord record = std::move(ready_.front());
            ready_.pop_front();
            return std::optional<LogRecord>(std::move(record));
        }
        if (over_) return std::optional<LogRecord>();
        // Before the look at the files: what was written before the container's end is found by it.
        bool final_look = !options_.follow || ended_ || (options_.until_ns > 0 && wall_clock_ns() > options_.until_ns);
        if (!segments_.empty()) {
            bool last = segments_.size() > 1 || rotated_ || final_look;
            if (auto entry = segments_.front()->next(last)) {
                take(*entry);
                continue;
            }
            if (segments_.size() > 1) {
                segments_.pop_front();
                rotated_ = false;
                continue;
            }
            if (options_.follow && !rotated_ && open_newer()) {
                // What was written between the last look and the rotation comes first.
                rotated_ = true;
                continue;
            }
        } else if (options_.follow) {
            if (!directory_) GANTRY_CHECK(open_directory());
            if (directory_) find_log();
            if (!name_.empty() && open_newer()) continue;
        }
        if (final_look) {
            flush_unfinished();
            over_ = true;
            continue;
        }
        bool held = !unfinished_[0].text.empty() || !unfinished_[1].text.empty();
        if (!wait() && held) flush_unfinished();
    }
}

bool LogReader::wait() {
    bool held = !unfinished_[0].text.empty() || !unfinished_[1].text.empty();
    pollfd waiting[2] = {{wake_.get(), POLLIN, 0}, {inotify_.get(), POLLIN, 0}};
    int timeout = held ? unfinished_ms : directory_ ? look_again_ms : directory_ms;
    int count = ::poll(waiting, inotify_ ? 2 : 1, timeout);
    char ignored[4096];
    if (inotify_)
        while (::read(inotify_.get(), ignored, sizeof ignored) > 0) {
        }
    return count > 0;
}

void LogReader::ended() {
    ended_ = true;
    std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
}

void LogReader::stop() {
    stopped_ = true;
    std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
}

void LogReader::take(LogEntry entry) {
    bool is_err = entry.stream != LogStream::out;
    if (!(is_err ? options_.err : options_.out)) return;
    if (entry.stream == LogStream::notice) {
        std::uint64_t lost = 0;
        if (entry.bytes.size() == sizeof lost) std::memcpy(&lost, entry.bytes.data(), sizeof lost);
        finish_piece({LogStream::notice,
                      entry.time_ns,
                      "[gantry: " + std::to_string(lost) + " bytes of output were not logged]\n",
                      false,
                      {}});
        return;
    }
    Unfinished& held = unfinished_[is_err];
    while (!entry.bytes.empty()) {
        std::size_t room = monitor::log_piece_bytes - std::min(held.text.size(), monitor::log_piece_bytes - 1);
        std::size_t newline = entry.bytes.substr(0, room).find('\n');
        bool whole = newline != std::string_view::npos;
        std::string_view piece = entry.bytes.substr(0, whole ? newline + 1 : room);
        if (held.text.empty()) {
            held.time_ns = entry.time_ns;
            if (options_.details) held.details = entry.details;
        }
        held.text.append(piece);
        entry.bytes.remove_prefix(piece.size());
        if (!whole && !entry.whole_lines && held.text.size() < monitor::log_piece_bytes) break;
        finish_piece({entry.stream, held.time_ns, std::move(held.text), held.continued, std::move(held.details)});
        held = Unfinished{{}, 0, !whole, {}};
    }
}

void LogReader::finish_piece(LogRecord piece) {
    bool ends = piece.text.ends_with('\n');
    if (skip_lines_ > 0) {
        if (ends) --skip_lines_;
        return;
    }
    if (options_.since_ns > 0 && piece.time_ns < options_.since_ns) return;
    if (options_.until_ns > 0 && piece.time_ns > options_.until_ns) return;
    if (options_.details && !piece.continued) piece.text.insert(0, piece.details + " ");
    if (options_.timestamps && !piece.continued) piece.text.insert(0, rfc3339(piece.time_ns) + " ");
    ready_.push_back(std::move(piece));
}

void LogReader::flush_unfinished() {
    for (LogStream stream : {LogStream::out, LogStream::err}) {
        Unfinished& held = unfinished_[stream == LogStream::err];
        if (held.text.empty()) continue;
        finish_piece({stream, held.time_ns, std::move(held.text), held.continued, std::move(held.details)});
        held = Unfinished{{}, 0, true, {}};
    }
}

}  // namespace gantry::container
