// SQLite as the store uses it: one connection, its cached statements, errors as gantry::Error. Not thread-safe; the
// store's mutex stands above it.
#pragma once
#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <gantry/result.hpp>

namespace gantry::store {

// The Error behind a result code of `db`: full disk and lack of memory are exhausted, damage is corrupt.
Error sqlite_error(sqlite3* db, int code, std::string_view doing);
// True for the codes that mean "this file is damaged, or is no database".
bool means_damaged(int code);

class Database {
public:
    // Opens an existing or new file, mode 0600. Neither reads nor changes it yet.
    static Result<std::unique_ptr<Database>> open(const std::string& path);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    sqlite3* handle() { return db_; }
    // Statements without parameters and rows; several at once, separated by semicolons.
    Result<void> execute(const char* sql);
    // The cached statement for a string literal (the pointer is the key).
    Result<sqlite3_stmt*> prepared(const char* sql);
    // No transaction is open, also when SQLite has rolled one back by itself.
    bool idle() const { return sqlite3_get_autocommit(db_) != 0; }

private:
    explicit Database(sqlite3* db) : db_(db) {}
    sqlite3* db_;
    std::unordered_map<const char*, sqlite3_stmt*> statements_;
};

// One use of a cached statement; put back on destruction. Bound text is borrowed until then.
class Query {
public:
    Query(Database& database, const char* sql);
    ~Query();
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;

    Query& bind(std::string_view text);
    Query& bind(std::int64_t number);
    // True: there is a row to read. False: the end.
    Result<bool> step();
    // For statements without rows.
    Result<void> run();
    // SQLite's extended code of the last failure.
    int code() const { return code_; }

    // Columns of the present row; text is valid until the next step.
    std::string_view text(int column) const;
    std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }

private:
    Database& database_;
    sqlite3_stmt* statement_ = nullptr;
    int next_ = 0;
    int code_ = SQLITE_OK;
    Error prepare_error_;
};

}  // namespace gantry::store
