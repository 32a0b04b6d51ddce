// The driver's end of the conversation with the engine (README.md): one driver, many calls at once.
#pragma once
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/driver/frame.hpp"
#include "core/driver/instance.hpp"
#include "core/driver/workers.hpp"

namespace gantry::driverhost {

class Server {
public:
    explicit Server(UniqueFd socket);
    // Serves frames until the engine closes the connection or says "close". Gives the exit status of the process.
    int run();

private:
    void handle(Message message);
    void load(const Json& body);
    void open(const Json& body);
    void call(Message message);
    void send_reply(std::uint64_t id, driver::CallState& state);
    void ended(const Json& body);
    void close();
    Result<int> spawn(const driver::SpawnRequest& request, const int fds[3]);
    void refuse(const Error& error);
    void send(const Json& body, const std::vector<int>& fds = {});
    std::shared_ptr<driver::CallState> find(const Json& body);

    UniqueFd socket_;
    driver::Workers workers_{16};

    std::mutex mutex_;
    std::condition_variable changed_;
    std::string name_ = "driver";
    std::shared_ptr<const driver::Library> library_;
    std::shared_ptr<driver::Instance> instance_;
    std::map<std::uint64_t, std::shared_ptr<driver::CallState>> calls_;
    std::uint64_t last_spawn_ = 0;
    std::map<std::uint64_t, std::optional<Json>> spawns_;
};

}  // namespace gantry::driverhost
