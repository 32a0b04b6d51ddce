#include "core/monitor/log_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"

namespace gantry::monitor {
namespace {

Result<void> write_hook() {
    GANTRY_FAILPOINT("monitor.log_write");
    return {};
}

}  // namespace

Result<void> LogFile::reopen() {
    if (!directory_) {
        GANTRY_CHECK(make_directories(path_, 0750));
        GANTRY_TRY(directory_, open_file(path_, O_RDONLY | O_DIRECTORY));
    }
    file_.reset(::openat(directory_.get(), name_.c_str(),
                         O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0640));
    if (!file_) return fail_errno("open log file \"" + name_ + "\"");
    struct stat info {};
    if (::fstat(file_.get(), &info) != 0) return fail_errno("stat log file \"" + name_ + "\"");
    if (!S_ISREG(info.st_mode)) {
        file_.reset();
        return fail(Code::invalid, "log file \"" + name_ + "\" is not a regular file");
    }
    size_ = info.st_size;
    return {};
}

Result<void> LogFile::rotate() {
    for (int i = max_files_ - 1; i >= 1; --i) {
        std::string from = i == 1 ? name_ : name_ + "." + std::to_string(i - 1);
        std::string to = name_ + "." + std::to_string(i);
        if (::renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()) != 0 && errno != ENOENT)
            return fail_errno("rotate log file \"" + from + "\"");
    }
    // With one file only, a reader that follows keeps the old one open and finds the new one by its inode.
    if (max_files_ == 1 && ::unlinkat(directory_.get(), name_.c_str(), 0) != 0 && errno != ENOENT)
        return fail_errno("rotate log file \"" + name_ + "\"");
    return reopen();
}

bool LogFile::append(const iovec* parts, int count, std::size_t bytes) {
    auto wanted = static_cast<std::int64_t>(bytes);
    if (!file_ || (size_ > 0 && size_ + wanted > max_size_)) {
        // After a rotation that stopped half-way the current file is still there to be appended to.
        if (auto done = file_ ? rotate() : reopen(); !done) return failed(std::move(done).error());
    }
    if (auto hook = write_hook(); !hook) return failed(std::move(hook).error());
    ssize_t n = 0;
    while ((n = ::writev(file_.get(), parts, count)) < 0 && errno == EINTR) {
    }
    if (n != wanted) {
        int error = n < 0 ? errno : ENOSPC;
        // Half an entry would cost the reader a search for the next one.
        struct stat info {};
        if (n > 0 && ::fstat(file_.get(), &info) == 0 && ::ftruncate(file_.get(), info.st_size - n) != 0) size_ += n;
        return failed(fail_errno("write log file \"" + name_ + "\"", error));
    }
    size_ += wanted;
    return true;
}

bool LogFile::failed(Error error) {
    std::int64_t now = monotonic_ns();
    if (said_ns_ == 0 || now - said_ns_ > 60'000'000'000) {
        said_ns_ = now;
        log::error("the container's output is not logged", {{"error", error.text}});
    }
    return false;
}

}  // namespace gantry::monitor
