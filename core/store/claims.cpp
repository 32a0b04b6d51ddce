#include "core/store/impl.hpp"

namespace gantry::store {

Result<void> Store::claim(std::string_view space, std::string_view key, std::string_view owner) {
    std::lock_guard lock(impl_->mutex);
    return impl_->commit(Impl::Steps::single, [&]() -> Result<void> {
        Query insert(*impl_->database,
                     "INSERT INTO claims (space, key, owner) VALUES (?,?,?) ON CONFLICT (space, key) DO NOTHING");
        GANTRY_CHECK(insert.bind(space).bind(key).bind(owner).run());
        if (sqlite3_changes(impl_->database->handle()) > 0) return {};
        Query holder(*impl_->database, "SELECT owner FROM claims WHERE space=? AND key=?");
        GANTRY_TRY(bool found, holder.bind(space).bind(key).step());
        if (found && holder.text(0) == owner) return {};
        return fail(Code::conflict, std::string(space) + " \"" + std::string(key) + "\" is in use by \"" +
                                        (found ? std::string(holder.text(0)) : std::string()) + "\"");
    });
}

Result<void> Store::release(std::string_view space, std::string_view key, std::string_view owner) {
    std::lock_guard lock(impl_->mutex);
    return impl_->commit(Impl::Steps::single, [&] {
        return Query(*impl_->database, "DELETE FROM claims WHERE space=? AND key=? AND owner=?")
            .bind(space)
            .bind(key)
            .bind(owner)
            .run();
    });
}

Result<void> Store::release_all(std::string_view space, std::string_view owner) {
    std::lock_guard lock(impl_->mutex);
    return impl_->commit(Impl::Steps::single, [&] {
        return Query(*impl_->database, "DELETE FROM claims WHERE space=? AND owner=?").bind(space).bind(owner).run();
    });
}

Result<void> Store::release_owner(std::string_view owner) {
    std::lock_guard lock(impl_->mutex);
    return impl_->commit(Impl::Steps::single,
                         [&] { return Query(*impl_->database, "DELETE FROM claims WHERE owner=?").bind(owner).run(); });
}

Result<std::vector<Store::Claim>> Store::claims(std::string_view space) {
    std::lock_guard lock(impl_->mutex);
    Query query(*impl_->database, "SELECT key, owner FROM claims WHERE space=? ORDER BY key");
    query.bind(space);
    std::vector<Claim> found;
    for (;;) {
        GANTRY_TRY(bool more, query.step());
        if (!more) return found;
        found.push_back({std::string(query.text(0)), std::string(query.text(1))});
    }
}

}  // namespace gantry::store
