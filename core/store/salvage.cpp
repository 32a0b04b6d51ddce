#include "core/store/salvage.hpp"

namespace gantry::store {
namespace {

// A table, its columns, and how its rows are sorted from one end and from the other.
struct Table {
    const char* forwards;
    const char* backwards;
    const char* insert;
    int columns;
};

constexpr Table tables[] = {
    {"SELECT seq, kind, id, name, generation, body FROM objects ORDER BY seq",
     "SELECT seq, kind, id, name, generation, body FROM objects ORDER BY seq DESC",
     "INSERT OR IGNORE INTO objects (seq, kind, id, name, generation, body) VALUES (?,?,?,?,?,?)", 6},
    {"SELECT space, key, owner FROM claims ORDER BY space, key",
     "SELECT space, key, owner FROM claims ORDER BY space DESC, key DESC",
     "INSERT OR IGNORE INTO claims (space, key, owner) VALUES (?,?,?)", 3},
    {"SELECT seq, kind, id, operation, detail FROM intents ORDER BY seq",
     "SELECT seq, kind, id, operation, detail FROM intents ORDER BY seq DESC",
     "INSERT OR IGNORE INTO intents (seq, kind, id, operation, detail) VALUES (?,?,?,?,?)", 5},
    {"SELECT key, value FROM settings ORDER BY key", "SELECT key, value FROM settings ORDER BY key DESC",
     "INSERT OR IGNORE INTO settings (key, value) VALUES (?,?)", 2},
};

// Until the end or the first page that cannot be read. Gives the rows that are new; `whole`: the end was reached.
std::int64_t copy(sqlite3* from, const char* select, sqlite3* to, const char* insert, int columns, bool& whole) {
    sqlite3_stmt *reading = nullptr, *writing = nullptr;
    std::int64_t saved = 0;
    whole = false;
    if (sqlite3_prepare_v2(from, select, -1, &reading, nullptr) == SQLITE_OK &&
        sqlite3_prepare_v2(to, insert, -1, &writing, nullptr) == SQLITE_OK) {
        int code = SQLITE_ROW;
        while ((code = sqlite3_step(reading)) == SQLITE_ROW) {
            for (int i = 0; i < columns; ++i) sqlite3_bind_value(writing, i + 1, sqlite3_column_value(reading, i));
            if (sqlite3_step(writing) == SQLITE_DONE) saved += sqlite3_changes(to);
            sqlite3_reset(writing);
        }
        whole = code == SQLITE_DONE;
    }
    sqlite3_finalize(reading);
    sqlite3_finalize(writing);
    return saved;
}

}  // namespace

std::int64_t salvage(const std::string& damaged, Database& fresh) {
    sqlite3* from = nullptr;
    std::int64_t saved = 0;
    if (sqlite3_open_v2(damaged.c_str(), &from, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr) == SQLITE_OK) {
        sqlite3_db_config(from, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
        sqlite3_exec(from, "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF", nullptr, nullptr, nullptr);
        if (fresh.execute("BEGIN IMMEDIATE")) {
            for (const Table& table : tables) {
                bool whole = false;
                saved += copy(from, table.forwards, fresh.handle(), table.insert, table.columns, whole);
                if (!whole) saved += copy(from, table.backwards, fresh.handle(), table.insert, table.columns, whole);
            }
            if (!fresh.execute("COMMIT")) {
                saved = 0;
                if (!fresh.idle()) (void)fresh.execute("ROLLBACK");
            }
        }
    }
    sqlite3_close_v2(from);
    return saved;
}

}  // namespace gantry::store
