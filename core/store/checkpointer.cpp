#include "core/store/checkpointer.hpp"

#include "core/base/log.hpp"

namespace gantry::store {
namespace {
constexpr int long_log_pages = 1000;      // 4 MiB: worth moving
constexpr int too_long_log_pages = 8000;  // 32 MiB: the writer must wait once, so that the log can begin anew
}  // namespace

Result<std::unique_ptr<Checkpointer>> Checkpointer::start(const std::string& path, std::recursive_mutex& writer) {
    GANTRY_TRY(auto database, Database::open(path));
    GANTRY_CHECK(database->execute("PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=NORMAL"));
    return std::unique_ptr<Checkpointer>(new Checkpointer(std::move(database), writer));
}

Checkpointer::Checkpointer(std::unique_ptr<Database> database, std::recursive_mutex& writer)
    : database_(std::move(database)), writer_(writer), thread_([this] { work(); }) {}

Checkpointer::~Checkpointer() {
    {
        std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void Checkpointer::log_has(int pages) {
    if (pages < pages_when_woken_) pages_when_woken_ = 0;  // the log has begun anew
    if (pages - pages_when_woken_ < long_log_pages) return;
    pages_when_woken_ = pages;
    std::lock_guard lock(mutex_);
    due_ = true;
    wake_.notify_one();
}

void Checkpointer::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return due_ || stop_; });
        if (stop_) return;
        due_ = false;
        lock.unlock();
        checkpoint();
        lock.lock();
    }
}

void Checkpointer::checkpoint() {
    sqlite3* db = database_->handle();
    int pages = 0, moved = 0;
    // Passive: neither waits for the writer nor makes it wait.
    int code = sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_PASSIVE, &pages, &moved);
    if (code == SQLITE_OK && moved < pages && pages > too_long_log_pages) {
        std::lock_guard still(writer_);
        code = sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    }
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY)
        log::warn("the store's log could not be moved into the store", {{"error", sqlite_error(db, code, "checkpoint").text}});
}

}  // namespace gantry::store
