// Moves the write-ahead log into the database file on a thread of its own, so that no put waits for the disk.
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <gantry/result.hpp>

#include "core/store/sqlite.hpp"

namespace gantry::store {

class Checkpointer {
public:
    // Opens a connection of its own to the store at `path`. `writer` is held by whoever writes to it.
    static Result<std::unique_ptr<Checkpointer>> start(const std::string& path, std::recursive_mutex& writer);
    ~Checkpointer();
    Checkpointer(const Checkpointer&) = delete;
    Checkpointer& operator=(const Checkpointer&) = delete;

    // The log has this many pages now; called after each commit with `writer` held. Wakes the thread when it has
    // become long.
    void log_has(int pages);

private:
    Checkpointer(std::unique_ptr<Database> database, std::string path, std::recursive_mutex& writer);
    void work();
    void checkpoint();
    // Space for what the log has and for some time more: a checkpoint on a full disk must not need any.
    void make_room();

    std::unique_ptr<Database> database_;
    std::string path_;
    std::recursive_mutex& writer_;
    int pages_when_woken_ = 0;         // guarded by writer_
    std::int64_t reserved_bytes_ = 0;  // up to where the log has its space; guarded by writer_
    std::mutex mutex_;
    std::condition_variable wake_;
    bool due_ = false, stop_ = false;
    std::thread thread_;
};

}  // namespace gantry::store
