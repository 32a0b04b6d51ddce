#include "core/daemon/http/core.hpp"

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <chrono>

#include "core/base/clock.hpp"
#include "core/daemon/http/connection.hpp"

namespace gantry::http {

std::int64_t now_ms() { return monotonic_ns() / 1'000'000; }

Core::Core(const Router& router, const ServerSettings& settings)
    : router_(router), limits_(settings.limits), workers_(settings.workers) {}

void Core::add(const std::shared_ptr<Connection>& connection) {
    connections_.emplace(connection.get(), connection);
    start_ticking();
}

void Core::remove(Connection* connection) {
    connections_.erase(connection);
    if (stopping_) end_stop_if_done();
}

void Core::post(std::function<void()> work) {
    if (workers_.post(std::move(work)) == Workers::Posted::soon) return;
    boost::asio::dispatch(io_, [self = shared_from_this()] { self->relieve_soon(); });
}

void Core::relieve_soon() {
    if (relieving_ || drained_) return;
    relieving_ = true;
    relief_.expires_after(std::chrono::milliseconds(20));
    relief_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
        self->relieving_ = false;
        if (ec) return;
        self->workers_.relieve();
        if (self->workers_.has_backlog()) self->relieve_soon();
    });
}

void Core::start_ticking() {
    if (ticking_ || drained_) return;
    ticking_ = true;
    // Often enough for the shortest deadline, seldom enough to cost nothing.
    const int shortest = std::min({limits_.header_ms, limits_.body_idle_ms, limits_.keep_alive_ms, 2000});
    timer_.expires_after(std::chrono::milliseconds(stopping_ ? 20 : std::max(shortest / 8, 10)));
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
        self->ticking_ = false;
        if (ec) return;
        const std::int64_t now = now_ms();
        std::vector<std::shared_ptr<Connection>> late;
        for (auto& [key, weak] : self->connections_)
            if (auto connection = weak.lock(); connection && connection->is_late(now))
                late.push_back(std::move(connection));
        for (auto& connection : late) connection->on_late();
        if (self->stopping_) self->end_stop_if_done();
        if (!self->connections_.empty() || self->stopping_) self->start_ticking();
    });
}

void Core::begin_stop() {
    if (stopping_) return;
    stopping_ = true;
    stop_at_ms_ = now_ms() + 1000;
    std::vector<std::shared_ptr<Connection>> all;
    for (auto& [key, weak] : connections_)
        if (auto connection = weak.lock()) all.push_back(std::move(connection));
    for (auto& connection : all) connection->on_server_stop();
    end_stop_if_done();
    if (!io_.stopped()) start_ticking();
}

void Core::drain() {
    drained_ = true;
    timer_.cancel();
    relief_.cancel();
    io_.restart();
    io_.poll();
    io_.stop();
}

void Core::end_stop_if_done() {
    if (!connections_.empty() && now_ms() < stop_at_ms_) return;
    io_.stop();
    for (auto& [key, weak] : std::exchange(connections_, {}))
        if (auto connection = weak.lock()) connection->drop();
}

}  // namespace gantry::http
