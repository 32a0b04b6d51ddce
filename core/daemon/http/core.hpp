// What all connections of one server share. Private to this folder.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <thread>
#include <unordered_map>

#include "core/daemon/http/http.hpp"
#include "core/daemon/http/workers.hpp"

namespace gantry::http {

class Connection;

// Milliseconds of a clock that only goes forward.
std::int64_t now_ms();

class Core : public std::enable_shared_from_this<Core> {
public:
    Core(const Router& router, const ServerSettings& settings);

    boost::asio::io_context& io() { return io_; }
    const Router& router() const { return router_; }
    const Limits& limits() const { return limits_; }
    Workers& workers() { return workers_; }
    bool stopping() const { return stopping_; }
    // Nothing runs on the reactor any more: what is posted there would stay, and hold what it refers to. Any thread.
    bool drained() const { return drained_; }
    // Runs work on a worker; more of them are made where all wait for something. Any thread.
    void post(std::function<void()> work);
    bool on_reactor() const { return std::this_thread::get_id() == reactor_.load(std::memory_order_relaxed); }

    // Reactor thread only, all below.
    void enter_reactor() { reactor_ = std::this_thread::get_id(); }
    void add(const std::shared_ptr<Connection>& connection);
    void remove(Connection* connection);
    std::size_t connections() const { return connections_.size(); }
    // Idle connections end now, others when they are answered, all after a second; then the reactor stops.
    void begin_stop();
    // After the reactor has stopped: what still waits in it holds this object, and is let go of.
    void drain();

private:
    // Looks after deadlines for as long as there is anything to look after.
    void start_ticking();
    void relieve_soon();
    void end_stop_if_done();

    boost::asio::io_context io_{1};
    boost::asio::steady_timer timer_{io_}, relief_{io_};
    const Router& router_;
    const Limits limits_;
    Workers workers_;
    std::atomic<std::thread::id> reactor_{};
    std::unordered_map<Connection*, std::weak_ptr<Connection>> connections_;
    bool ticking_ = false, relieving_ = false;
    std::atomic<bool> stopping_ = false, drained_ = false;
    std::int64_t stop_at_ms_ = 0;
};

}  // namespace gantry::http
