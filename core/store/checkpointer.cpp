#include "core/store/checkpointer.hpp"

#include <algorithm>

#include "core/base/log.hpp"
#include "core/store/files.hpp"

namespace gantry::store {
namespace {
constexpr std::int64_t file_reserve = 2 << 20;
constexpr int tight_log_pages = 16;   // on a full disk the log begins anew as soon as it can
constexpr int long_log_pages = 1000;  // 4 MiB: worth moving
constexpr std::int64_t frame_bytes = 4096 + 24;
constexpr std::int64_t least_reserve = 1 << 20;  // below that more is taken, and without success the log begins anew
constexpr int too_long_log_pages = 8000;         // 32 MiB: the writer must wait once, so that the log can begin anew
}  // namespace

Result<std::unique_ptr<Checkpointer>> Checkpointer::start(const std::string& path, std::recursive_mutex& writer) {
    GANTRY_TRY(auto database, Database::open(path));
    GANTRY_CHECK(database->execute("PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=NORMAL"));
    // The file grows in steps, so that a full disk seldom meets it between two.
    int step = 256 << 10;
    sqlite3_file_control(database->handle(), "main", SQLITE_FCNTL_CHUNK_SIZE, &step);
    return std::unique_ptr<Checkpointer>(new Checkpointer(std::move(database), path, writer));
}

Checkpointer::Checkpointer(std::unique_ptr<Database> database, std::string path, std::recursive_mutex& writer)
    : database_(std::move(database)), path_(std::move(path)), writer_(writer), reserved_bytes_(reserve_log(path_, 0)) {
    thread_ = std::thread([this] { work(); });
    take_start_reserve(path_);
}

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
    bool tight = false, more = false;
    if (const std::int64_t bytes = pages * frame_bytes; reserved_bytes_ - bytes < least_reserve) {
        const std::int64_t end = reserve_log(path_, bytes);
        more = end > reserved_bytes_;
        reserved_bytes_ = std::max(reserved_bytes_, end);
        tight = reserved_bytes_ - bytes < least_reserve;
    }
    if (!more && pages - pages_when_woken_ < (tight ? tight_log_pages : long_log_pages)) return;
    pages_when_woken_ = pages;
    std::lock_guard lock(mutex_);
    due_ = true;
    wake_.notify_one();
}

void Checkpointer::make_room() {
    sqlite3_int64 bytes = file_reserve;
    {
        Query pages(*database_, "PRAGMA page_count");
        if (auto row = pages.step(); row && *row) bytes += pages.integer(0) * 4096;
    }
    sqlite3_file_control(database_->handle(), "main", SQLITE_FCNTL_SIZE_HINT, &bytes);
}

void Checkpointer::work() {
    make_room();
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return due_ || stop_; });
        if (stop_) return;
        due_ = false;
        lock.unlock();
        make_room();
        checkpoint();
        // One that moved the whole log cuts the file back to its pages, and the room with it.
        make_room();
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
        log::warn("the store's log could not be moved into the store",
                  {{"error", sqlite_error(db, code, "checkpoint").text}});
}

}  // namespace gantry::store
