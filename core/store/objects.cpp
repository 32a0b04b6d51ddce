#include "core/store/impl.hpp"

namespace gantry::store {
namespace {

std::string serialise(const Json& body) { return body.dump(-1, ' ', false, Json::error_handler_t::replace); }

// Columns id, name, generation, body.
Result<Object> read_object(const Query& row) {
    Object object{std::string(row.text(0)), std::string(row.text(1)), row.integer(2), {}};
    object.body = Json::parse(row.text(3), nullptr, false);
    if (object.body.is_discarded()) return fail(Code::corrupt, "its body is not JSON");
    if (!object.body.is_object()) return fail(Code::corrupt, "its body is not a JSON object");
    return object;
}

}  // namespace

Result<void> Store::put(std::string_view kind, const Object& object) {
    if (object.id.empty())
        return fail(Code::invalid, "store: an object of kind \"" + std::string(kind) + "\" has no id");
    if (!object.body.is_object())
        return fail(Code::invalid,
                    "store: the body of " + std::string(kind) + " \"" + object.id + "\" is not a JSON object");
    const std::string body = serialise(object.body);
    std::lock_guard lock(impl_->mutex);
    return impl_->commit(Impl::Steps::single, [&]() -> Result<void> {
        // Most puts change neither id nor name: then no index is touched.
        Query change(*impl_->database, "UPDATE objects SET generation=?, body=? WHERE kind=? AND id=? AND name=?");
        GANTRY_CHECK(change.bind(object.generation).bind(body).bind(kind).bind(object.id).bind(object.name).run());
        if (sqlite3_changes(impl_->database->handle()) > 0) return {};
        Query query(*impl_->database,
                    "INSERT INTO objects (kind, id, name, generation, body) VALUES (?,?,?,?,?) ON CONFLICT (kind, id) "
                    "DO UPDATE SET "
                    "name=excluded.name, generation=excluded.generation, body=excluded.body");
        Result<void> written =
            query.bind(kind).bind(object.id).bind(object.name).bind(object.generation).bind(body).run();
        if (written || query.code() != SQLITE_CONSTRAINT_UNIQUE) return written;
        Query other(*impl_->database, "SELECT id FROM objects WHERE kind=? AND name=? AND name<>''");
        GANTRY_TRY(bool found, other.bind(kind).bind(object.name).step());
        return fail(Code::conflict, "name \"" + object.name + "\" is in use by " + std::string(kind) + " \"" +
                                        (found ? std::string(other.text(0)) : std::string()) + "\"");
    });
}

Result<std::optional<Object>> Store::get(std::string_view kind, std::string_view id) {
    std::lock_guard lock(impl_->mutex);
    Query query(*impl_->database, "SELECT id, name, generation, body FROM objects WHERE kind=? AND id=?");
    GANTRY_TRY(bool found, query.bind(kind).bind(id).step());
    if (!found) return std::optional<Object>();
    auto object = read_object(query);
    if (!object) return std::move(object).error().context(std::string(kind) + " \"" + std::string(id) + "\"");
    return std::optional<Object>(std::move(object).value());
}

Result<void> Store::erase(std::string_view kind, std::string_view id) {
    std::lock_guard lock(impl_->mutex);
    return impl_->commit(Impl::Steps::single, [&] {
        return Query(*impl_->database, "DELETE FROM objects WHERE kind=? AND id=?").bind(kind).bind(id).run();
    });
}

Result<void> Store::quarantine(std::string_view kind, std::string_view id) {
    std::lock_guard lock(impl_->mutex);
    return impl_->commit(Impl::Steps::single, [&] {
        return Query(*impl_->database,
                     "UPDATE OR REPLACE objects SET kind='damaged.'||kind, name='' WHERE kind=? AND id=?")
            .bind(kind)
            .bind(id)
            .run();
    });
}

Result<std::vector<Object>> Store::list(std::string_view kind, std::vector<Damage>* damage) {
    std::lock_guard lock(impl_->mutex);
    Query query(*impl_->database, "SELECT id, name, generation, body FROM objects WHERE kind=? ORDER BY seq");
    query.bind(kind);
    std::vector<Object> objects;
    for (;;) {
        GANTRY_TRY(bool more, query.step());
        if (!more) return objects;
        auto object = read_object(query);
        if (object)
            objects.push_back(std::move(object).value());
        else if (damage)
            damage->push_back({std::string(kind), std::string(query.text(0)), object.error().text});
    }
}

}  // namespace gantry::store
