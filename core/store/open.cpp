#include <cstdio>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/store/files.hpp"
#include "core/store/impl.hpp"
#include "core/store/salvage.hpp"

namespace gantry::store {
namespace {

constexpr std::int64_t schema_version = 1;

constexpr const char* schema = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE objects (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL, body TEXT NOT NULL,
    UNIQUE (kind, id));
CREATE UNIQUE INDEX objects_by_name ON objects (kind, name) WHERE name <> '';
CREATE TABLE claims (space TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;
CREATE INDEX claims_by_owner ON claims (space, owner);
CREATE TABLE intents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, id TEXT NOT NULL, operation TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE events (seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, body TEXT NOT NULL);
INSERT INTO meta VALUES ('schema', '1');
)sql";

enum class Health { empty, ready, damaged };

struct Looked {
    Health health = Health::ready;
    std::string reason;
};

// Damage to the file is an answer here; everything else that fails is an error.
Result<Looked> damage_or_error(Database& database, int code, Error error) {
    (void)database;
    if (means_damaged(code)) return Looked{Health::damaged, std::move(error).text};
    return error;
}

Result<Looked> look_at(Database& database, const std::string& path) {
    {
        Query tables(database, "SELECT count(*), sum(name='meta') FROM sqlite_master");
        auto row = tables.step();
        if (!row) {
            const int code = sqlite3_extended_errcode(database.handle());
            return damage_or_error(database, code, std::move(row).error());
        }
        if (tables.integer(0) == 0) return Looked{Health::empty, {}};
        if (tables.integer(1) == 0) return Looked{Health::damaged, "it is a database of something else"};
    }
    {
        Query version(database, "SELECT value FROM meta WHERE key='schema'");
        auto row = version.step();
        if (!row) {
            const int code = sqlite3_extended_errcode(database.handle());
            return damage_or_error(database, code, std::move(row).error());
        }
        const std::string found(*row ? version.text(0) : "");
        auto number = parse_int(found);
        if (!number || *number < 1) return Looked{Health::damaged, "it has no schema version"};
        if (*number > schema_version)
            return fail(Code::precondition, "store \"" + path + "\" has schema version " + found +
                                                ", written by a newer engine; this one knows " +
                                                std::to_string(schema_version));
    }
    Query check(database, "PRAGMA quick_check(1)");
    auto row = check.step();
    if (!row) {
        const int code = sqlite3_extended_errcode(database.handle());
        return damage_or_error(database, code, std::move(row).error());
    }
    if (*row && check.text(0) != "ok") return Looked{Health::damaged, std::string(check.text(0))};
    return Looked{};
}

// The file and what SQLite keeps beside it, under a name that says when.
Result<std::string> move_aside(const std::string& path) {
    const std::string target = path + ".damaged-" + std::to_string(wall_clock_ns() / 1'000'000);
    for (const char* suffix : {"-wal", "-shm", ""}) {
        const std::string from = path + suffix, to = target + suffix;
        if (std::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
            return fail_errno("move the damaged store \"" + from + "\" aside");
    }
    return target;
}

// Damage that SQLite takes for the ordinary: files that are gone, and a log that it would read up to the damage only.
std::string unnoticed_damage(const std::string& path) {
    const Mark mark = read_mark(path);
    if (mark == Mark::none) return {};
    if (!path_exists(path)) return "the file is missing";
    if (mark == Mark::open && !path_exists(path + "-wal"))
        return "its log is missing: what was not moved out of it is lost";
    if (std::string reason = mend_end_of_file(path); !reason.empty()) return reason;
    return damage_of_log(path);
}

// A copy for whoever mends it; the store goes on with what comes before the damage.
void keep_copy_of_log(const std::string& path) {
    if (auto log = read_file(path + "-wal", 256u << 20))
        (void)write_file(path + ".damaged-" + std::to_string(wall_clock_ns() / 1'000'000) + "-wal", *log, 0600);
}

Result<void> prepare(Database& database, Health health) {
    GANTRY_CHECK(
        database.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0;"
                         "PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF"));
    if (health == Health::ready) return {};
    GANTRY_CHECK(database.execute("BEGIN IMMEDIATE"));
    Result<void> made = database.execute(schema);
    if (made) made = database.execute("COMMIT");
    if (!made && !database.idle()) (void)database.execute("ROLLBACK");
    return made;
}

}  // namespace

Result<Opened> open_database(const std::string& path) {
    Opened opened;
    release_start_reserve(path);
    const bool used = read_mark(path) != Mark::none;
    if (std::string reason = unnoticed_damage(path); !reason.empty()) {
        opened.quarantined = "store \"" + path + "\" is damaged: " + reason;
        log::error("the store is damaged", {{"path", path}, {"reason", reason}});
        keep_copy_of_log(path);
    }
    std::string aside;
    for (int attempt = 0; attempt < 2; ++attempt) {
        GANTRY_TRY(opened.database, Database::open(path));
        // A refused or damaged file stays as it is: closing must not fold its log into it.
        sqlite3_db_config(opened.database->handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
        GANTRY_TRY(Looked looked, look_at(*opened.database, path));
        if (looked.health == Health::empty && used && attempt == 0 && opened.quarantined.empty())
            looked = {Health::damaged, "it is empty"};
        if (looked.health != Health::damaged) {
            sqlite3_db_config(opened.database->handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
            GANTRY_CHECK(prepare(*opened.database, looked.health).context("prepare store \"" + path + "\""));
            // In the file itself, so that a store without its log is still known as one.
            if (looked.health == Health::empty) (void)opened.database->execute("PRAGMA wal_checkpoint");
            if (!aside.empty()) {
                const std::int64_t saved = salvage(aside, *opened.database);
                opened.quarantined += "; " + std::to_string(saved) + " records of it were saved";
                log::error("what could be read of the damaged store was saved",
                           {{"records", std::to_string(saved)}, {"from", aside}});
            }
            if (auto marked = write_mark(path, Mark::open); !marked)
                log::warn("the store could not be marked as in use", {{"reason", marked.error().text}});
            return opened;
        }
        opened.quarantined = "store \"" + path + "\" is damaged and was moved aside: " + looked.reason;
        opened.database.reset();
        GANTRY_TRY(aside, move_aside(path));
        log::error("the store is damaged and was moved aside", {{"path", path}, {"reason", looked.reason}});
    }
    return fail(Code::corrupt, "store \"" + path + "\" is damaged again right after it was made");
}

}  // namespace gantry::store
