// The one store that survives a restart: SQLite in WAL mode, synchronous=NORMAL, so that what was committed
// survives SIGKILL of the engine; sync() makes it survive a power cut. Every method is thread-safe and commits
// before it returns; transact() groups several into one.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::store {

// One object: `body` is a JSON object of the owner's own form.
struct Object {
    std::string id;
    std::string name;  // unique within its kind; "" where the kind has no names
    std::int64_t generation = 0;
    Json body;
};

// What is wrong with an object that could not be read. It stays in the store until it is repaired or set aside.
struct Damage {
    std::string kind, id, reason;
};

// A step that was begun and not yet ended: what recovery has to look at.
struct Intent {
    std::int64_t seq = 0;
    std::string kind, id, operation;
    Json detail;  // a JSON object of the owner's own form
};

class Store {
public:
    // Opens or makes `path`. A damaged file is moved aside to `path`.damaged-<time> and a new store begins with what could
    // be read of it: the reason is in *quarantined, also where only the end of the log is lost. Refuses a store written by a newer engine, untouched (GANTRY_PRECONDITION).
    static Result<std::unique_ptr<Store>> open(const std::string& path, std::string* quarantined = nullptr);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // Writes the object whole. A name that another object of the kind has: GANTRY_CONFLICT (text names its id).
    Result<void> put(std::string_view kind, const Object& object);
    Result<std::optional<Object>> get(std::string_view kind, std::string_view id);
    // Gone is success.
    Result<void> erase(std::string_view kind, std::string_view id);
    // Sets a damaged object aside, as it is: it is not listed any more, and its name is free.
    Result<void> quarantine(std::string_view kind, std::string_view id);
    // Every readable object of a kind, oldest first; the others go to *damage.
    Result<std::vector<Object>> list(std::string_view kind, std::vector<Damage>* damage = nullptr);

    // Exclusive claims such as an address or a port: `key` within `space` belongs to `owner`. Claimed by the same
    // owner is success; by another: GANTRY_CONFLICT (text names the owner).
    Result<void> claim(std::string_view space, std::string_view key, std::string_view owner);
    Result<void> release(std::string_view space, std::string_view key, std::string_view owner);
    Result<void> release_all(std::string_view space, std::string_view owner);
    // In every space.
    Result<void> release_owner(std::string_view owner);
    struct Claim {
        std::string key, owner;
    };
    Result<std::vector<Claim>> claims(std::string_view space);

    // begin_intent before the kernel is changed, end_intent with the result recorded.
    Result<std::int64_t> begin_intent(std::string_view kind, std::string_view id, std::string_view operation,
                                      const Json& detail);
    Result<void> end_intent(std::int64_t seq);
    // All of one operation on one object, also those that an earlier end could not be recorded of.
    Result<void> end_intents(std::string_view kind, std::string_view id, std::string_view operation);
    // Oldest first. One whose detail cannot be read is among them, with an empty one, and its object goes to *damage.
    Result<std::vector<Intent>> intents(std::vector<Damage>* damage = nullptr);

    // Events, numbered without gaps; the newest `keep` stay.
    Result<std::int64_t> append_event(std::int64_t time_ns, const Json& body, std::int64_t keep = 10'000);
    struct StoredEvent {
        std::int64_t seq, time_ns;
        Json body;
    };
    Result<std::vector<StoredEvent>> events_since(std::int64_t time_ns);
    // At most `most` of those behind number `seq` that happened at time_ns or later, in order. One that cannot be read has a
    // body of null, so that fewer than `most` are the end.
    Result<std::vector<StoredEvent>> events_after(std::int64_t seq, std::int64_t time_ns, int most);

    // A small setting of the engine itself.
    Result<std::optional<std::string>> setting(std::string_view key);
    Result<void> set_setting(std::string_view key, std::string_view value);

    // Runs `work` in one transaction: all its changes or none (an error or an exception rolls back). Other threads
    // wait. Not to be nested; no driver call inside.
    Result<void> transact(const std::function<Result<void>()>& work);
    // Everything committed so far is on disk when it returns (fsync).
    Result<void> sync();

private:
    struct Impl;
    explicit Store(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::store
