// etcd's v3 JSON gateway through libcurl: one connection at a time, and a watch beside it. Not thread-safe, but for wake().
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::overlay {

struct EtcdSettings {
    std::vector<std::string> endpoints;  // "http://10.0.0.1:2379"; the next is asked where one does not answer
    std::string ca, certificate, key;
};

struct KeyValue {
    std::string key, value;
    std::int64_t create_revision = 0, mod_revision = 0;
};

// What one transaction asks and does.
class Transaction {
public:
    Transaction& absent(const std::string& key);
    Transaction& present(const std::string& key);
    Transaction& unchanged(const std::string& key, std::int64_t mod_revision);
    Transaction& has_value(const std::string& key, const std::string& value);
    // No key from `first` up to `end` is there.
    Transaction& none_in(const std::string& first, const std::string& end);
    Transaction& put(const std::string& key, const std::string& value, std::int64_t lease = 0);
    Transaction& erase(const std::string& key);
    Transaction& erase_range(const std::string& first, const std::string& end);
    Json json() const { return {{"compare", compare_}, {"success", success_}, {"failure", Json::array()}}; }

private:
    Json compare_ = Json::array(), success_ = Json::array();
};

struct WatchEvent {
    bool gone = false;
    KeyValue entry;
};
// One message of a watch.
struct WatchMessage {
    bool created = false, cancelled = false;
    std::int64_t revision = 0, compact_revision = 0;
    std::vector<WatchEvent> events;
};
// GANTRY_CORRUPT: not such a message. Also for the fuzzer.
Result<WatchMessage> read_watch_message(const std::string& line);
struct Listing {
    std::vector<KeyValue> entries;
    std::int64_t revision = 0;
    std::uint64_t cluster = 0;
    bool more = false;
};
Result<Listing> read_listing(const std::string& body);

// The first key behind all that begin with `prefix`.
std::string end_of_prefix(const std::string& prefix);

class Etcd {
public:
    explicit Etcd(EtcdSettings settings);
    ~Etcd();
    Etcd(const Etcd&) = delete;
    Etcd& operator=(const Etcd&) = delete;

    // All keys with the prefix, at one revision.
    Result<Listing> list(const std::string& prefix);
    // Gives whether what it asked for held, and so all of it was done.
    Result<bool> commit(const Transaction& transaction, std::int64_t* revision = nullptr);
    Result<std::int64_t> grant(std::int64_t seconds);
    // GANTRY_NOT_FOUND: the lease has ended.
    Result<void> keep_alive(std::int64_t lease);
    Result<void> revoke(std::int64_t lease);

    // Watches a prefix from a revision on; replaces an earlier watch.
    Result<void> watch(const std::string& prefix, std::int64_t from);
    void end_watch();
    // Waits for what the watch brings, wake() or the time. `taken` is called with each message; an error ends the watch.
    Result<void> wait(int milliseconds, const std::function<Result<void>(const WatchMessage&)>& taken);
    void wake();  // any thread
    // Ends what is under way, and all that is asked later, soon. Any thread.
    void abandon();
    // The address that answered last, or is asked next.
    const std::string& endpoint() const;

private:
    Result<Json> post(const std::string& path, const Json& body);
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::overlay
