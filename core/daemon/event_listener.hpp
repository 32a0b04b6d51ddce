// One who listens to events: what is sent, and from where. Private to this folder; the bus's thread alone, but for gone.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>

#include "core/daemon/events.hpp"

namespace gantry::daemon {

class EventListener {
public:
    // `from`: the number of the newest event published so far; of live ones only later ones are sent.
    EventListener(std::shared_ptr<http::Stream> stream, EventBus::Subscription wish, std::int64_t from);

    http::Stream& stream() { return *stream_; }
    // Set by whoever hears that the client has gone; any thread.
    std::atomic<bool> gone = false;
    // Has not been served yet.
    bool is_new() const { return new_; }
    std::int64_t until_ns() const { return wish_.until_ns; }

    // An event has happened; `stored` is its number in the store, 0 where that has it not. Called for each, in order.
    void take(const std::shared_ptr<const Event>& event, std::int64_t stored);

    // idle: there is nothing to send. slow: the client must read first. more: it could go on at once. ended: no call any
    // more.
    enum class Served { idle = 1, slow, more, ended };
    // Sends what fits, a page of the store at most. Everything that was taken is in the store, or was said not to be.
    Served serve(store::Store& store);

private:
    struct Live {
        std::shared_ptr<const Event> event;
        std::int64_t stored;
    };
    void fall_back_on_store();
    bool read_page(store::Store& store);
    bool send(const Event& event);
    bool send_gap();
    bool is_wanted(const Event& event) const;

    const std::shared_ptr<http::Stream> stream_;
    const EventBus::Subscription wish_;
    const std::int64_t from_;
    bool new_ = true;
    std::deque<Live> live_;
    // Behind: events are read from the store, a page at a time, and live ones are left there.
    bool behind_;
    bool counts_missed_ = false;  // what the store has lost behind read_ was meant for this listener
    std::int64_t read_ = 0;       // the number in the store of the last event that was read or sent
    std::deque<store::Store::StoredEvent> page_;
    std::int64_t missed_ = 0;
};

}  // namespace gantry::daemon
