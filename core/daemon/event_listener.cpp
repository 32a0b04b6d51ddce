#include "core/daemon/event_listener.hpp"

#include "core/base/clock.hpp"
#include "core/base/log.hpp"

namespace gantry::daemon {
namespace {

// Live events that wait for a client in memory, and stored ones that are read at once.
constexpr std::size_t most_live = 1000;
constexpr int page_size = 256;

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

EventListener::EventListener(std::shared_ptr<http::Stream> stream, EventBus::Subscription wish, std::int64_t from)
    : stream_(std::move(stream)), wish_(std::move(wish)), from_(from), behind_(wish_.since_ns != 0) {}

bool EventListener::is_wanted(const Event& event) const {
    return (wish_.until_ns == 0 || event.time_ns <= wish_.until_ns) && event_matches(event, wish_.filters);
}

void EventListener::take(const std::shared_ptr<const Event>& event, std::int64_t stored) {
    if (!behind_ && event->number <= from_) return;
    if (behind_) {
        // It will be read; what the store has not is told of.
        if (stored == 0 && event->number > from_ && is_wanted(*event)) ++missed_;
        return;
    }
    if (!is_wanted(*event)) {
        if (live_.empty() && stored != 0) read_ = stored;
        return;
    }
    live_.push_back({event, stored});
    if (live_.size() > most_live) fall_back_on_store();
}

void EventListener::fall_back_on_store() {
    std::int64_t first = 0;
    for (const Live& one : live_) {
        if (one.stored == 0)
            ++missed_;
        else if (first == 0)
            first = one.stored;
    }
    live_.clear();
    if (first != 0) read_ = first - 1;
    behind_ = counts_missed_ = true;
}

// False: the store could not be read.
bool EventListener::read_page(store::Store& store) {
    const bool history = !counts_missed_;
    auto found = store.events_after(read_, history ? wish_.since_ns : 0, page_size);
    if (!found) {
        log::warn("stored events could not be read", {{"error", found.error().text}});
        return false;
    }
    if (found->size() < page_size) behind_ = false;
    if (found->empty()) return true;
    if (!history) missed_ += found->front().seq - read_ - 1;
    read_ = found->back().seq;
    counts_missed_ = true;  // from its first page on, what comes next is this listener's
    page_.assign(std::make_move_iterator(found->begin()), std::make_move_iterator(found->end()));
    return true;
}

bool EventListener::send(const Event& event) {
    const std::string text = event.to_api(wish_.old_fields).dump(-1, ' ', false, Json::error_handler_t::replace);
    return static_cast<bool>(stream_->write((wish_.record_separator ? "\x1e" : "") + text + "\n"));
}

bool EventListener::send_gap() {
    Event gap;
    gap.time_ns = wall_clock_ns();
    gap.type = "daemon";
    gap.action = "gap";
    gap.attributes = {{"missed", std::to_string(std::exchange(missed_, 0))}};
    return send(gap);
}

EventListener::Served EventListener::serve(store::Store& store) {
    new_ = false;
    if (gone || stream_->client_gone()) return Served::ended;
    bool page_read = false;
    for (;;) {
        const bool waits = behind_ || !page_.empty() || !live_.empty() || missed_ != 0;
        if (!waits) break;
        if (stream_->pending() >= http::stream_room) return Served::slow;
        if (behind_ && page_.empty()) {
            // Others are served between two pages.
            if (std::exchange(page_read, true)) return Served::more;
            if (!read_page(store)) {
                stream_->abort();  // the client sees that this is not all
                return Served::ended;
            }
            continue;
        }
        if (missed_ != 0 && !send_gap()) return Served::ended;
        if (!page_.empty()) {
            const Event event = from_stored(page_.front());
            const bool sound = page_.front().body.is_object();
            page_.pop_front();
            if (sound && is_wanted(event) && !send(event)) return Served::ended;
        } else if (!live_.empty()) {
            const Live next = std::move(live_.front());
            live_.pop_front();
            if (next.stored != 0) read_ = next.stored;
            if (!send(*next.event)) return Served::ended;
        }
    }
    return wish_.until_ns != 0 && wall_clock_ns() >= wish_.until_ns ? Served::ended : Served::idle;
}

}  // namespace gantry::daemon
