// One rotating file of a log directory.
#pragma once
#include <sys/uio.h>

#include <cstdint>
#include <string>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::monitor {

class LogFile {
public:
    // DIRECTORY/NAME, appended to when it is there. At most max_files files of max_size bytes each. Directory (0750) and
    // file (0640) are made by the first append: a start does not wait for them.
    LogFile(std::string directory, std::string name, std::int64_t max_size, int max_files)
        : path_(std::move(directory)), name_(std::move(name)), max_size_(max_size), max_files_(max_files) {}
    // Appends all parts as one unit, in a new file if they no longer fit: wholly or not at all. false: the file system
    // did not take it (said in the engine's log once a minute at most).
    bool append(const iovec* parts, int count, std::size_t bytes);
    std::int64_t max_size() const { return max_size_; }

private:
    Result<void> reopen();
    Result<void> rotate();
    bool failed(Error error);

    UniqueFd directory_, file_;
    std::string path_, name_;
    std::int64_t max_size_, size_ = 0;
    int max_files_;
    std::int64_t said_ns_ = 0;  // when a failure was last put into the engine's log
};

}  // namespace gantry::monitor
