#include "core/store/sqlite.hpp"

#include <fcntl.h>

#include "core/base/files.hpp"

namespace gantry::store {

bool means_damaged(int code) {
    const int primary = code & 0xff;
    return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

Error sqlite_error(sqlite3* db, int code, std::string_view doing) {
    const int os_error = db ? sqlite3_system_errno(db) : 0;
    Error error;
    error.text = std::string(doing) + ": " + (db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
    switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_NOMEM:
        error.code = Code::exhausted;
        error.system_errno = (code & 0xff) == SQLITE_FULL ? ENOSPC : ENOMEM;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: error.code = Code::busy; break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: error.code = Code::corrupt; break;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        error.system_errno = os_error;
        if (os_error) error.text += std::string(": ") + std::strerror(os_error);
        error.code = os_error ? code_of_errno(os_error) : Code::internal;
        break;
    default: error.code = Code::internal;
    }
    return error;
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
    // SQLite would make the file with the umask's mode; ours is private from the first moment.
    GANTRY_TRY(UniqueFd made, open_file(path, O_RDWR | O_CREAT, 0600));
    made.reset();
    sqlite3* db = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    std::unique_ptr<Database> database(new Database(db));
    if (code != SQLITE_OK) return sqlite_error(db, code, "open store \"" + path + "\"");
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, 5000);
    return database;
}

Database::~Database() {
    for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close_v2(db_);
}

Result<void> Database::execute(const char* sql) {
    const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return sqlite_error(db_, code, "store");
    return {};
}

Result<sqlite3_stmt*> Database::prepared(const char* sql) {
    auto found = statements_.find(sql);
    if (found != statements_.end()) return found->second;
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return sqlite_error(db_, code, "store: prepare a statement");
    statements_.emplace(sql, statement);
    return statement;
}

Query::Query(Database& database, const char* sql) : database_(database) {
    auto statement = database.prepared(sql);
    if (statement)
        statement_ = *statement;
    else
        prepare_error_ = std::move(statement).error();
}

Query::~Query() {
    if (!statement_) return;
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
}

Query& Query::bind(std::string_view text) {
    ++next_;
    if (!statement_ || code_ != SQLITE_OK) return *this;
    code_ =
        sqlite3_bind_text64(statement_, next_, text.data() ? text.data() : "", text.size(), SQLITE_STATIC, SQLITE_UTF8);
    return *this;
}

Query& Query::bind(std::int64_t number) {
    ++next_;
    if (!statement_ || code_ != SQLITE_OK) return *this;
    code_ = sqlite3_bind_int64(statement_, next_, number);
    return *this;
}

Result<bool> Query::step() {
    if (!statement_) return prepare_error_;
    if (code_ != SQLITE_OK) return sqlite_error(database_.handle(), code_, "store");
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    code_ = code;
    return sqlite_error(database_.handle(), code, "store");
}

Result<void> Query::run() {
    for (;;) {
        GANTRY_TRY(bool more, step());
        if (!more) return {};
    }
}

std::string_view Query::text(int column) const {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    return {bytes ? bytes : "", static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

}  // namespace gantry::store
