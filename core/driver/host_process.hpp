// The engine's end of a hosted driver: keeps one gantry-driver-host running, and carries calls to it.
#pragma once
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "core/driver/host_child.hpp"
#include "core/driver/pending.hpp"
#include "core/driver/workers.hpp"

namespace gantry::driver {

class HostProcess {
public:
    struct Wanted {
        std::string name, file;
        Settings settings;
        std::shared_ptr<const HostServices> services;
        HostedDriver::Configure configure;
    };
    struct Opened {
        DescribedFile described;
        std::vector<std::string> tables;
    };

    explicit HostProcess(Wanted wanted);
    // Asks the process to close its driver, and kills it where it does not.
    ~HostProcess();

    // Starts the thread and the first process, and waits until its driver is open or refused.
    Result<Opened> start();
    Result<Reply> call(std::string_view table, std::string_view operation, Json request,
                       const std::vector<NamedFd>& fds, Deadline deadline);
    int pid() const;

private:
    struct Call {
        std::shared_ptr<Pending> pending;
        std::int64_t kill_at_ns = 0;  // 0: not cancelled
    };
    using Socket = std::shared_ptr<const UniqueFd>;

    void supervise();
    Result<Opened> open_child();
    void serve();
    int next_timeout_ms(std::string& overdue);
    void handle(Message message);
    void handle_reply(Message message);
    void handle_spawn(Message message);
    void child_ended(const std::string& how);
    bool pause(std::int64_t milliseconds);
    Result<Socket> wait_ready(std::int64_t until_ns, std::uint64_t after_generation, std::uint64_t& generation);
    void give_up(std::uint64_t id, const Socket& socket);

    const Wanted wanted_;
    std::unique_ptr<HostChild> child_;  // of the supervising thread alone
    std::string killed_because_;        // likewise
    Workers helpers_{4};                // run what drivers want spawned
    std::thread thread_;
    UniqueFd wake_;  // tells the supervising thread to look again

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool stop_ = false;
    std::optional<Result<Opened>> first_;  // how the first start went
    Socket socket_;                        // null: no process is ready
    int pid_ = 0;
    std::uint64_t generation_ = 0, last_call_ = 0;
    std::string down_because_;
    std::map<std::uint64_t, Call> calls_;
};

}  // namespace gantry::driver
