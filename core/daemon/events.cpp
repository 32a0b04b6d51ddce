#include "core/daemon/events.hpp"

#include <algorithm>
#include <atomic>

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"

namespace gantry::daemon {
namespace {

constexpr std::size_t most_waiting = 1000;
constexpr auto retry = std::chrono::milliseconds(20);

Json to_stored(const Event& event) {
    return {{"type", event.type}, {"action", event.action}, {"id", event.id}, {"attributes", event.attributes}};
}

Event from_stored(const store::Store::StoredEvent& stored) {
    Event event;
    event.number = stored.seq;
    event.time_ns = stored.time_ns;
    auto text = [&](const char* key) {
        auto found = stored.body.find(key);
        return found != stored.body.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    event.type = text("type");
    event.action = text("action");
    event.id = text("id");
    auto attributes = stored.body.find("attributes");
    event.attributes = attributes != stored.body.end() && attributes->is_object() ? *attributes : Json::object();
    return event;
}

}  // namespace

struct EventBus::Subscriber {
    std::shared_ptr<http::Stream> stream;
    Subscription wish;
    bool begun = false;     // history is read
    std::int64_t from = 0;  // what was published up to here is history
    std::deque<std::shared_ptr<const Event>> history, live;
    std::int64_t missed = 0;
    std::atomic<bool> gone = false;

    bool has_backlog() const { return !history.empty() || !live.empty(); }
    void take(const std::shared_ptr<const Event>& event) {
        if (wish.until_ns != 0 && event->time_ns > wish.until_ns) return;
        if (!event_matches(*event, wish.filters)) return;
        if (live.size() >= most_waiting) {
            live.pop_front();
            ++missed;
        }
        live.push_back(event);
    }
};

Json Event::to_api(bool old_fields) const {
    Json json{{"Type", type},
              {"Action", action},
              {"Actor", {{"ID", id}, {"Attributes", attributes}}},
              {"scope", "local"},
              {"time", time_ns / 1'000'000'000},
              {"timeNano", time_ns}};
    if (old_fields && (type == "container" || type == "image")) {
        json["status"] = action;
        json["id"] = id;
        if (auto image = attributes.find("image"); image != attributes.end()) json["from"] = *image;
    }
    return json;
}

EventBus::EventBus(store::Store& store, std::int64_t keep) : store_(store), keep_(keep), thread_([this] { run(); }) {}

EventBus::~EventBus() {
    {
        std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

void EventBus::publish(std::string_view type, std::string_view action, const std::string& id, const Json& attributes) {
    auto event = std::make_shared<Event>();
    event->type = type;
    event->action = action;
    event->id = id;
    event->attributes = attributes.is_object() ? attributes : Json::object();
    std::lock_guard lock(mutex_);
    event->time_ns = wall_clock_ns();
    event->number = ++published_;
    queue_.push_back(std::move(event));
    wake_.notify_one();
}

Result<void> EventBus::subscribe(std::shared_ptr<http::Stream> stream, Subscription subscription) {
    auto subscriber = std::make_shared<Subscriber>();
    subscriber->stream = std::move(stream);
    subscriber->wish = std::move(subscription);
    subscriber->stream->on_client_gone([this, weak = std::weak_ptr(subscriber)] {
        auto gone = weak.lock();
        if (!gone) return;
        std::lock_guard lock(mutex_);
        gone->gone = true;
        wake_.notify_one();
    });
    std::lock_guard lock(mutex_);
    if (stop_) return fail(Code::cancelled, "the engine is ending");
    subscriber->from = published_;
    subscribers_.push_back(std::move(subscriber));
    wake_.notify_one();
    return {};
}

std::size_t EventBus::subscribers() const {
    std::lock_guard lock(mutex_);
    return subscribers_.size();
}

void EventBus::flush() {
    std::unique_lock lock(mutex_);
    const std::int64_t wanted = published_;
    stored_changed_.wait(lock, [&] { return stored_ >= wanted; });
}

// The one thread that stores and sends: so what a subscriber reads from the store and what it gets live neither
// overlap nor leave something out.
void EventBus::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        const bool backlog =
            std::any_of(subscribers_.begin(), subscribers_.end(), [](const auto& s) { return s->has_backlog(); });
        std::int64_t next_end = 0;
        for (const auto& s : subscribers_)
            if (s->wish.until_ns != 0 && (next_end == 0 || s->wish.until_ns < next_end)) next_end = s->wish.until_ns;
        auto due = [&] {
            return stop_ || !queue_.empty() || std::any_of(subscribers_.begin(), subscribers_.end(), [](const auto& s) {
                       return !s->begun || s->gone;
                   });
        };
        if (backlog)
            wake_.wait_for(lock, retry, due);
        else if (next_end != 0)
            wake_.wait_for(lock,
                           std::chrono::nanoseconds(
                               std::clamp<std::int64_t>(next_end - wall_clock_ns(), 1'000'000, 3'600'000'000'000)),
                           due);
        else
            wake_.wait(lock, due);
        if (stop_ && queue_.empty()) break;
        const std::vector<std::shared_ptr<const Event>> batch(queue_.begin(), queue_.end());
        queue_.clear();
        const auto present = subscribers_;
        lock.unlock();

        if (!batch.empty()) store_batch(batch);
        std::vector<std::shared_ptr<Subscriber>> ended;
        for (const auto& subscriber : present) {
            // One that begins with history finds this batch there.
            if (subscriber->begun || subscriber->wish.since_ns == 0)
                for (const auto& event : batch)
                    if (event->number > subscriber->from) subscriber->take(event);
            if (!serve(*subscriber)) ended.push_back(subscriber);
        }

        lock.lock();
        stored_ += static_cast<std::int64_t>(batch.size());
        stored_changed_.notify_all();
        std::erase_if(subscribers_,
                      [&](const auto& s) { return std::find(ended.begin(), ended.end(), s) != ended.end(); });
        // A stream ends with its subscriber, which must not happen under the lock.
        lock.unlock();
        ended.clear();
        lock.lock();
    }
    auto last = std::exchange(subscribers_, {});
    lock.unlock();
}

void EventBus::store_batch(const std::vector<std::shared_ptr<const Event>>& batch) {
    auto stored = store_.transact([&]() -> Result<void> {
        for (const auto& event : batch) {
            auto number = store_.append_event(event->time_ns, to_stored(*event), keep_);
            if (!number) return std::move(number).error();
        }
        return {};
    });
    if (!stored)
        log::warn("events could not be stored",
                  {{"count", std::to_string(batch.size())}, {"error", stored.error().text}});
}

bool EventBus::serve(Subscriber& subscriber) {
    if (subscriber.gone || subscriber.stream->client_gone()) return false;
    const Subscription& wish = subscriber.wish;
    if (!subscriber.begun) {
        subscriber.begun = true;
        if (wish.since_ns != 0) {
            auto stored = store_.events_since(wish.since_ns);
            if (!stored) log::warn("stored events could not be read", {{"error", stored.error().text}});
            for (const auto& one : stored ? *stored : std::vector<store::Store::StoredEvent>{}) {
                auto event = std::make_shared<const Event>(from_stored(one));
                if (wish.until_ns != 0 && event->time_ns > wish.until_ns) break;
                if (event_matches(*event, wish.filters)) subscriber.history.push_back(std::move(event));
            }
        }
    }
    auto send = [&](const Event& event) {
        return static_cast<bool>(subscriber.stream->write(
            (wish.record_separator ? "\x1e" : "") +
            event.to_api(wish.old_fields).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"));
    };
    while (subscriber.has_backlog() && subscriber.stream->pending() < http::stream_room) {
        auto& queue = subscriber.history.empty() ? subscriber.live : subscriber.history;
        if (subscriber.history.empty() && subscriber.missed != 0) {
            Event gap{0,        wall_clock_ns(),
                      "daemon", "gap",
                      "",       {{"missed", std::to_string(std::exchange(subscriber.missed, 0))}}};
            if (!send(gap)) return false;
        }
        const auto event = queue.front();
        queue.pop_front();
        if (!send(*event)) return false;
    }
    return subscriber.has_backlog() || wish.until_ns == 0 || wall_clock_ns() < wish.until_ns;
}

}  // namespace gantry::daemon
