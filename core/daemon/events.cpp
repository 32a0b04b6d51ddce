#include "core/daemon/events.hpp"

#include <algorithm>
#include <atomic>

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/daemon/event_listener.hpp"

namespace gantry::daemon {
namespace {

constexpr auto retry = std::chrono::milliseconds(20);

Json to_stored(const Event& event) {
    return {{"type", event.type}, {"action", event.action}, {"id", event.id}, {"attributes", event.attributes}};
}

}  // namespace

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
    std::unique_lock lock(mutex_);
    if (stop_) return fail(Code::cancelled, "the engine is ending");
    auto listener = std::make_shared<EventListener>(std::move(stream), std::move(subscription), published_);
    subscribers_.push_back(listener);
    wake_.notify_one();
    lock.unlock();
    listener->stream().on_client_gone([this, weak = std::weak_ptr(listener)] {
        auto client = weak.lock();
        if (!client) return;
        std::lock_guard guard(mutex_);
        client->gone = true;
        wake_.notify_one();
    });
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

// The one thread that stores and sends: so what a listener reads from the store and what it gets live neither overlap nor
// leave something out.
void EventBus::run() {
    using Served = EventListener::Served;
    auto last = Served::idle;
    std::unique_lock lock(mutex_);
    for (;;) {
        std::int64_t next_end = 0;
        for (const auto& s : subscribers_)
            if (s->until_ns() != 0 && (next_end == 0 || s->until_ns() < next_end)) next_end = s->until_ns();
        auto due = [&] {
            return stop_ || !queue_.empty() || std::any_of(subscribers_.begin(), subscribers_.end(), [](const auto& s) {
                       return s->is_new() || s->gone;
                   });
        };
        if (last == Served::slow)
            wake_.wait_for(lock, retry, due);
        else if (last == Served::idle && next_end != 0)
            wake_.wait_for(lock,
                           std::chrono::nanoseconds(
                               std::clamp<std::int64_t>(next_end - wall_clock_ns(), 1'000'000, 3'600'000'000'000)),
                           due);
        else if (last == Served::idle)
            wake_.wait(lock, due);
        if (stop_ && queue_.empty()) break;
        const std::vector<std::shared_ptr<const Event>> batch(queue_.begin(), queue_.end());
        queue_.clear();
        const auto present = subscribers_;
        lock.unlock();

        const std::vector<std::int64_t> stored = store_batch(batch);
        std::vector<std::shared_ptr<EventListener>> ended;
        last = Served::idle;
        for (const auto& listener : present) {
            for (std::size_t i = 0; i < batch.size(); ++i) listener->take(batch[i], stored[i]);
            const Served served = listener->serve(store_);
            if (served == Served::ended)
                ended.push_back(listener);
            else
                last = std::max(last, served);
        }

        lock.lock();
        stored_ += static_cast<std::int64_t>(batch.size());
        stored_changed_.notify_all();
        std::erase_if(subscribers_,
                      [&](const auto& s) { return std::find(ended.begin(), ended.end(), s) != ended.end(); });
        // A stream ends with its listener, which must not happen under the lock.
        lock.unlock();
        ended.clear();
        lock.lock();
    }
    auto left = std::exchange(subscribers_, {});
    lock.unlock();
}

std::vector<std::int64_t> EventBus::store_batch(const std::vector<std::shared_ptr<const Event>>& batch) {
    std::vector<std::int64_t> numbers;
    if (batch.empty()) return numbers;
    auto stored = store_.transact([&]() -> Result<void> {
        for (const auto& event : batch) {
            GANTRY_TRY(std::int64_t number, store_.append_event(event->time_ns, to_stored(*event), keep_));
            numbers.push_back(number);
        }
        return {};
    });
    if (!stored) {
        log::warn("events could not be stored",
                  {{"count", std::to_string(batch.size())}, {"error", stored.error().text}});
        numbers.assign(batch.size(), 0);
    }
    return numbers;
}

}  // namespace gantry::daemon
