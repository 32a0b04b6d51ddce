// Intents and events: what is happening, and what has happened.
#include <algorithm>

#include "core/store/impl.hpp"

namespace gantry::store {
namespace {

std::string entry_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

Result<std::int64_t> Store::begin_intent(std::string_view kind, std::string_view id, std::string_view operation,
                                         const Json& detail) {
    const std::string text = entry_text(detail);
    std::int64_t seq = 0;
    std::lock_guard lock(impl_->mutex);
    Result<void> done = impl_->commit(Impl::Steps::single, [&]() -> Result<void> {
        GANTRY_CHECK(Query(*impl_->database, "INSERT INTO intents (kind, id, operation, detail) VALUES (?,?,?,?)")
                         .bind(kind)
                         .bind(id)
                         .bind(operation)
                         .bind(text)
                         .run());
        seq = sqlite3_last_insert_rowid(impl_->database->handle());
        return {};
    });
    if (!done) return std::move(done).error();
    return seq;
}

Result<void> Store::end_intent(std::int64_t seq) {
    std::lock_guard lock(impl_->mutex);
    return impl_->commit(Impl::Steps::single,
                         [&] { return Query(*impl_->database, "DELETE FROM intents WHERE seq=?").bind(seq).run(); });
}

Result<void> Store::end_intents(std::string_view kind, std::string_view id, std::string_view operation) {
    std::lock_guard lock(impl_->mutex);
    return impl_->commit(Impl::Steps::single, [&] {
        return Query(*impl_->database, "DELETE FROM intents WHERE kind=? AND id=? AND operation=?")
            .bind(kind)
            .bind(id)
            .bind(operation)
            .run();
    });
}

Result<std::vector<Intent>> Store::intents(std::vector<Damage>* damage) {
    std::lock_guard lock(impl_->mutex);
    Query query(*impl_->database, "SELECT seq, kind, id, operation, detail FROM intents ORDER BY seq");
    std::vector<Intent> found;
    for (;;) {
        GANTRY_TRY(bool more, query.step());
        if (!more) return found;
        Intent intent{query.integer(0), std::string(query.text(1)), std::string(query.text(2)),
                      std::string(query.text(3)), Json::parse(query.text(4), nullptr, false)};
        // A damaged detail must not hide that something was begun.
        if (!intent.detail.is_object()) {
            intent.detail = Json::object();
            if (damage)
                damage->push_back({intent.kind, intent.id,
                                   "the detail of its unfinished " + intent.operation + " is not a JSON object"});
        }
        found.push_back(std::move(intent));
    }
}

Result<std::int64_t> Store::append_event(std::int64_t time_ns, const Json& body, std::int64_t keep) {
    const std::string text = entry_text(body);
    std::int64_t seq = 0;
    std::lock_guard lock(impl_->mutex);
    Result<void> done = impl_->commit(Impl::Steps::several, [&]() -> Result<void> {
        // The next number is one above the newest, which therefore always stays.
        GANTRY_CHECK(
            Query(*impl_->database, "INSERT INTO events (time_ns, body) VALUES (?,?)").bind(time_ns).bind(text).run());
        seq = sqlite3_last_insert_rowid(impl_->database->handle());
        return Query(*impl_->database, "DELETE FROM events WHERE seq<=?")
            .bind(seq - std::max<std::int64_t>(keep, 1))
            .run();
    });
    if (!done) return std::move(done).error();
    return seq;
}

Result<std::vector<Store::StoredEvent>> Store::events_since(std::int64_t time_ns) {
    std::lock_guard lock(impl_->mutex);
    Query query(*impl_->database, "SELECT seq, time_ns, body FROM events WHERE time_ns>=? ORDER BY seq");
    query.bind(time_ns);
    std::vector<StoredEvent> found;
    for (;;) {
        GANTRY_TRY(bool more, query.step());
        if (!more) return found;
        Json body = Json::parse(query.text(2), nullptr, false);
        if (body.is_object()) found.push_back({query.integer(0), query.integer(1), std::move(body)});
    }
}

Result<std::vector<Store::StoredEvent>> Store::events_after(std::int64_t seq, std::int64_t time_ns, int most) {
    std::lock_guard lock(impl_->mutex);
    Query query(*impl_->database,
                "SELECT seq, time_ns, body FROM events WHERE seq>? AND time_ns>=? ORDER BY seq LIMIT ?");
    query.bind(seq).bind(time_ns).bind(std::int64_t{most});
    std::vector<StoredEvent> found;
    for (;;) {
        GANTRY_TRY(bool more, query.step());
        if (!more) return found;
        Json body = Json::parse(query.text(2), nullptr, false);
        found.push_back({query.integer(0), query.integer(1), body.is_object() ? std::move(body) : Json()});
    }
}

}  // namespace gantry::store
