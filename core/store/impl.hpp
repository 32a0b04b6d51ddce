// What the files of the store share. Private to this folder.
#pragma once
#include <mutex>

#include "core/store/checkpointer.hpp"
#include "core/store/sqlite.hpp"
#include "core/store/store.hpp"

namespace gantry::store {

struct Store::Impl {
    std::string path;
    // Recursive: the work given to transact() calls the other methods.
    std::recursive_mutex mutex;
    std::unique_ptr<Database> database;
    std::unique_ptr<Checkpointer> checkpointer;  // goes before the database
    bool in_transaction = false;

    // Runs `write` and commits it, or leaves it to the transaction that is open on this thread. Failed: nothing of it
    // is done. `single`: it is one statement, which SQLite makes atomic by itself.
    enum class Steps { single, several };
    Result<void> commit(Steps steps, const std::function<Result<void>()>& write);
    Result<void> end_transaction(Result<void> done);
    // SQLite undoes a whole transaction on a full disk; what comes after must not be committed alone.
    Result<void> still_open();
};

// What open() does to a file before anyone uses it.
struct Opened {
    std::unique_ptr<Database> database;
    std::string quarantined;  // why a damaged one was moved aside; "" when it was not
};
Result<Opened> open_database(const std::string& path);

}  // namespace gantry::store
