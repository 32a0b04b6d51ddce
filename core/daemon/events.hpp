// What happens, told to those who listen and kept for those who ask later. Thread-safe.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/daemon/http/http.hpp"
#include "core/store/store.hpp"

namespace gantry::daemon {

struct Event {
    std::int64_t number = 0;  // in the order of publish(); the store's own numbers have no gaps
    std::int64_t time_ns = 0;
    std::string type, action, id;
    Json attributes;  // name -> text
    // Docker's event message; `old_fields`: with status, id and from, as clients before 1.52 know it.
    Json to_api(bool old_fields) const;
};

class EventListener;  // event_listener.hpp

class EventBus {
public:
    using Filters = std::map<std::string, std::vector<std::string>>;

    // Reads nothing; the numbers go on where the store's events end. `keep`: how many the store holds.
    EventBus(store::Store& store, std::int64_t keep);
    // Writes down what is not written yet; subscribers end.
    ~EventBus();
    EventBus(const EventBus&) = delete;
    EventBus& operator=(const EventBus&) = delete;

    // Numbers the event and gives it to a thread that stores and sends it: takes microseconds, blocks for nothing.
    void publish(std::string_view type, std::string_view action, const std::string& id, const Json& attributes);

    // Sends to `stream` what matches: first the stored events from since_ns on (0: none), then, up to until_ns (0: for
    // ever), what comes. A client that falls behind is served from the store, so that it loses nothing that the store still
    // has and costs no memory; where the store has less, it is told so by an event of type "daemon", action "gap", whose
    // attribute "missed" counts what was there. Ends when the client goes.
    struct Subscription {
        std::int64_t since_ns = 0, until_ns = 0;
        Filters filters = {};
        bool old_fields = true;
        bool record_separator = false;  // before each event, as RFC 7464 has it
    };
    Result<void> subscribe(std::shared_ptr<http::Stream> stream, Subscription subscription);
    // How many events the store holds from the next one on.
    void set_keep(std::int64_t keep) { keep_ = keep; }
    std::size_t subscribers() const;
    // Waits until everything published so far is in the store.
    void flush();

private:
    void run();
    // Gives the number in the store of each; 0 where it could not be stored.
    std::vector<std::int64_t> store_batch(const std::vector<std::shared_ptr<const Event>>& batch);

    store::Store& store_;
    std::atomic<std::int64_t> keep_;
    mutable std::mutex mutex_;
    std::condition_variable wake_, stored_changed_;
    std::deque<std::shared_ptr<const Event>> queue_;
    std::vector<std::shared_ptr<EventListener>> subscribers_;
    std::int64_t published_ = 0, stored_ = 0;
    bool stop_ = false;
    std::thread thread_;
};

// The filters of GET /events are known.
Result<void> check_event_filters(const EventBus::Filters& filters);
bool event_matches(const Event& event, const EventBus::Filters& filters);

}  // namespace gantry::daemon
