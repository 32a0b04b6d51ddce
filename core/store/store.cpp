#include "core/store/store.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/store/files.hpp"
#include "core/store/impl.hpp"

namespace gantry::store {

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Store::~Store() {
    const std::string path = impl_->path;
    impl_->checkpointer.reset();
    impl_->database.reset();
    // The last connection folds the log into the file; where it could not, the log is there still.
    if (!path_exists(path + "-wal")) (void)write_mark(path, Mark::closed);
}

Result<std::unique_ptr<Store>> Store::open(const std::string& path, std::string* quarantined) {
    GANTRY_TRY(Opened opened, open_database(path));
    if (quarantined) *quarantined = opened.quarantined;
    auto impl = std::make_unique<Impl>();
    impl->path = path;
    impl->database = std::move(opened.database);
    GANTRY_TRY(impl->checkpointer, Checkpointer::start(path, impl->mutex));
    sqlite3_wal_hook(
        impl->database->handle(),
        [](void* checkpointer, sqlite3*, const char*, int pages) {
            static_cast<Checkpointer*>(checkpointer)->log_has(pages);
            return SQLITE_OK;
        },
        impl->checkpointer.get());
    return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Result<void> Store::Impl::still_open() {
    if (in_transaction && database->idle())
        return fail(Code::exhausted, "store: the transaction was undone by an earlier failure");
    return {};
}

Result<void> Store::Impl::end_transaction(Result<void> done) {
    if (done)
        done = [this]() -> Result<void> {
            GANTRY_FAILPOINT("store.before_commit");
            if (database->idle())
                return fail(Code::exhausted, "store: the transaction was undone by an earlier failure");
            return Query(*database, "COMMIT").run();
        }();
    if (!done && !database->idle()) (void)Query(*database, "ROLLBACK").run();
    if (done) GANTRY_FAILPOINT("store.after_commit");
    return done;
}

Result<void> Store::Impl::commit(Steps steps, const std::function<Result<void>()>& write) {
    if (in_transaction) {
        GANTRY_CHECK(still_open());
        return write();
    }
    if (steps == Steps::single) {
        GANTRY_FAILPOINT("store.before_commit");
        GANTRY_CHECK(write());
        GANTRY_FAILPOINT("store.after_commit");
        return {};
    }
    GANTRY_CHECK(Query(*database, "BEGIN IMMEDIATE").run());
    return end_transaction(write());
}

Result<void> Store::transact(const std::function<Result<void>()>& work) {
    std::lock_guard lock(impl_->mutex);
    if (impl_->in_transaction) return fail(Code::internal, "store: a transaction inside a transaction");
    GANTRY_CHECK(Query(*impl_->database, "BEGIN IMMEDIATE").run());
    impl_->in_transaction = true;
    Result<void> done = [&]() -> Result<void> {
        try {
            return work();
        } catch (const std::exception& e) {
            return fail(Code::internal, std::string("store: exception in a transaction: ") + e.what());
        } catch (...) {
            return fail(Code::internal, "store: exception in a transaction");
        }
    }();
    impl_->in_transaction = false;
    return impl_->end_transaction(std::move(done));
}

Result<void> Store::sync() {
    std::lock_guard lock(impl_->mutex);
    // What is committed is in the log, or was synced on its way into the file. The log carries no lock, so a
    // descriptor of our own may come and go.
    auto log = open_file(impl_->path + "-wal", O_RDWR);
    if (log) {
        if (::fdatasync(log->get()) != 0) return fail_errno("sync store \"" + impl_->path + "\"");
    } else if (log.error().system_errno != ENOENT) {
        return std::move(log).error();
    }
    const std::size_t slash = impl_->path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : impl_->path.substr(0, slash + 1);
    GANTRY_TRY(UniqueFd fd, open_file(directory, O_RDONLY | O_DIRECTORY));
    if (::fsync(fd.get()) != 0) return fail_errno("sync directory \"" + directory + "\"");
    return {};
}

Result<std::optional<std::string>> Store::setting(std::string_view key) {
    std::lock_guard lock(impl_->mutex);
    Query query(*impl_->database, "SELECT value FROM settings WHERE key=?");
    GANTRY_TRY(bool found, query.bind(key).step());
    if (!found) return std::optional<std::string>();
    return std::optional<std::string>(query.text(0));
}

Result<void> Store::set_setting(std::string_view key, std::string_view value) {
    std::lock_guard lock(impl_->mutex);
    return impl_->commit(Impl::Steps::single, [&] {
        return Query(*impl_->database,
                     "INSERT INTO settings VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value=excluded.value")
            .bind(key)
            .bind(value)
            .run();
    });
}

}  // namespace gantry::store
