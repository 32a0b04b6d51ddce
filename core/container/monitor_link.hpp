// One thread for the messages of all monitors, one for what they lead to.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "core/base/unix_socket.hpp"
#include "core/container/monitor_client.hpp"

namespace gantry::container {

class MonitorLinks;

// The connection to one monitor.
class MonitorLink final : public Monitor, public std::enable_shared_from_this<MonitorLink> {
public:
    struct Identity {
        std::string id, exit_file;
        int pid = 0, monitor_pid = 0;
        UniqueFd process;  // a pidfd of the monitor
    };
    MonitorLink(std::weak_ptr<MonitorLinks> links, UniqueFd connection, Identity identity)
        : links_(std::move(links)), connection_(std::move(connection)), identity_(std::move(identity)) {}
    ~MonitorLink() override;

    int pid() const override { return identity_.pid; }
    int monitor_pid() const override { return identity_.monitor_pid; }
    Result<void> start() override;
    Result<void> signal(int number, bool all) override;
    Result<int> exec(std::string_view exec_id, const Json& process, bool terminal, std::string_view seccomp,
                     Attachment attachment) override;
    Result<void> attach(Attachment attachment) override;
    Result<void> resize(std::string_view exec_id, int rows, int columns) override;
    Result<Json> driver_call(std::string_view table, std::string_view operation, Json request) override;
    void wait_removed() override;
    void wait_gone() override;

    // By MonitorLinks, on the reader's thread. What came is to be told to the engine; nullopt: it was an answer.
    struct Told {
        MonitorEvent event;
        std::uint64_t number = 0;  // 0: it needs no acknowledgement
    };
    std::optional<Told> received(Message message);
    // The event of this number has been dealt with.
    void acknowledge(std::uint64_t number);
    // The connection has ended. nullopt: there is nothing to tell.
    std::optional<MonitorEvent> closed();
    int socket() const { return connection_.get(); }
    const std::string& id() const { return identity_.id; }

private:
    friend class MonitorLinks;
    Result<Json> request(Json body, const std::vector<std::pair<std::string, int>>& fds = {});

    std::weak_ptr<MonitorLinks> links_;
    UniqueFd connection_;
    Identity identity_;
    std::uint64_t key_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t next_sequence_ = 1, start_sequence_ = 0;  // 0: no start has been asked for
    std::map<std::uint64_t, std::optional<Result<Json>>> waiting_;
    bool closed_ = false, told_end_ = false, start_failed_ = false;
};

// All connections of one engine.
class MonitorLinks : public std::enable_shared_from_this<MonitorLinks> {
public:
    using OnEvent = std::function<void(const std::string&, const MonitorEvent&)>;
    static Result<std::shared_ptr<MonitorLinks>> create(OnEvent on_event);
    ~MonitorLinks();
    // Begins to read from `link`.
    Result<void> add(const std::shared_ptr<MonitorLink>& link);
    void remove(MonitorLink& link);
    // Ends both threads; the last event has been told when it returns.
    void stop();

private:
    explicit MonitorLinks(OnEvent on_event) : on_event_(std::move(on_event)) {}
    void read_loop();
    void tell_loop();
    void read_one(std::uint64_t key);
    void tell(const std::shared_ptr<MonitorLink>& link, MonitorLink::Told told);

    OnEvent on_event_;
    UniqueFd epoll_, wake_;
    std::thread reader_, teller_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::uint64_t, std::weak_ptr<MonitorLink>> links_;
    struct Waiting {
        std::string id;
        std::weak_ptr<MonitorLink> link;
        MonitorLink::Told told;
    };
    std::deque<Waiting> events_;
    std::uint64_t next_key_ = 1;
    bool stopping_ = false;
};

// The JSON form of an attachment (PROTOCOL.md), and the descriptors that go with it, named with `prefix`. `keep` holds
// what was made for it until the message is sent.
Json describe_attachment(const Monitor::Attachment& attachment, const std::string& prefix,
                         std::vector<std::pair<std::string, int>>& fds, std::vector<UniqueFd>& keep);

}  // namespace gantry::container
