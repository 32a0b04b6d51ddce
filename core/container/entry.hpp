// What ContainerService keeps in memory of one container, and of one exec; private to core/container/service*.cpp.
#pragma once
#include <condition_variable>
#include <future>
#include <queue>

#include "core/container/service.hpp"
#include "core/container/summary_text.hpp"

namespace gantry::container {

struct ContainerService::Entry {
    std::mutex operation;  // start, end, removal: one at a time
    std::mutex mutex;      // the members below; short
    std::condition_variable changed;
    Container record;
    std::shared_ptr<Monitor> monitor;
    std::vector<Monitor::Attachment> waiting;  // clients that attached before the start
    int attaching = 0;                         // attaches begun whose connection is not here yet
    struct Waiter {
        std::uint64_t number;
        WaitCondition condition;
        std::function<void(int, const std::string&)> done;
    };
    std::vector<Waiter> waiters;
    std::uint64_t next_waiter = 1;
    Json network_settings = Json::object();  // NetworkSettings.Networks while it runs
    std::vector<network::Port> ports;        // as bound
    std::string seccomp;                     // digest of the running container's profile
    User user;                               // of the running container's process
    bool user_known = false;                 // not so after a restart of the engine
    std::uint64_t start_number = 0;          // which start a timer or an event belongs to
    int restart_delay_ms = 100;
    bool removed = false;
    SummaryText summary;  // what list_text() shows of it

    std::string id() const { return record.id; }
    // A copy of the record, so that nobody reads while it changes.
    Container snapshot() {
        std::lock_guard lock(mutex);
        return record;
    }
};

struct ContainerService::Execution {
    std::string id, container_id;
    Json config;
    std::mutex mutex;
    std::condition_variable changed;  // it runs, or has ended
    bool started = false, running = false;
    int exit_code = 0, pid = 0;
    bool finished = false;
    std::promise<int> ended;  // a health probe waits for it
};

// Runs work later, on a worker; one thread for all.
class ContainerService::Timers {
public:
    explicit Timers(std::function<void(std::function<void()>)> post);
    ~Timers();
    void after(int milliseconds, std::function<void()> work);

private:
    void run();
    struct Item {
        std::int64_t due_ns;
        std::function<void()> work;
        bool operator<(const Item& other) const { return due_ns > other.due_ns; }
    };
    std::function<void(std::function<void()>)> post_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::priority_queue<Item> items_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace gantry::container
