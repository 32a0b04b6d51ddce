// The engine's Launcher: one connection per request to gantry-launcher, which is started anew when it has died.
#pragma once
#include <map>
#include <mutex>

#include "core/container/monitor_client.hpp"
#include "core/container/monitor_link.hpp"

namespace gantry::container {

// What a launcher must be equal in to be used further: the program file and the settings.
Result<std::string> launcher_identity(const std::string& program, const Json& settings);
// Starts gantry-launcher in a session of its own; it answers when this returns.
Result<void> run_launcher(const std::string& program, const Json& settings);

class LauncherClient final : public Launcher {
public:
    LauncherClient(std::string run, std::string program, Json settings, std::shared_ptr<MonitorLinks> links)
        : run_(std::move(run)),
          program_(std::move(program)),
          settings_(std::move(settings)),
          links_(std::move(links)) {}
    ~LauncherClient() override;

    // Finds or starts the launcher.
    Result<void> begin();

    Result<std::unique_ptr<Launch>> begin_launch(LaunchRequest request) override;
    Result<std::shared_ptr<Monitor>> reconnect(const std::string& id, const std::string& run_dir) override;
    Result<void> warm_seccomp(const std::string& digest, const Json& profile) override;
    Result<int> spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                      const int fds[3], int timeout_ms, const std::function<void(int)>& on_pid) override;
    Result<void> sweep(const std::string& driver, const std::string& id, const std::string& cgroup_path) override;
    Result<Json> drivers() override;
    void shut_down() override;

private:
    // A connection to a launcher that answers, starting one if there is none.
    Result<UniqueFd> connect();
    Result<UniqueFd> connect_or_start();
    Result<void> start_program();
    Result<Json> ask(Json body, int timeout_ms);
    class Launching;
    using Fds = std::vector<std::pair<std::string, int>>;
    // Sends a request. None: the launcher has died just now, and await_answer asks again.
    Result<UniqueFd> send_request(const Json& body, const Fds& fds);
    // The first answer to what was sent on the connection. Sent once more when the launcher has died meanwhile: the
    // connection is closed then in all processes that could have begun with it.
    Result<std::pair<UniqueFd, Message>> await_answer(UniqueFd connection, const Json& body, const Fds& fds,
                                                      int timeout_ms);
    // Both in one.
    Result<std::pair<UniqueFd, Message>> begin_request(const Json& body, const Fds& fds, int timeout_ms);
    static Result<Json> ask_on(int socket, Json body, int timeout_ms);
    Result<std::shared_ptr<Monitor>> adopt(UniqueFd connection, MonitorLink::Identity identity);

    std::string run_, program_;
    Json settings_;
    std::shared_ptr<MonitorLinks> links_;
    std::mutex starting_;  // one start at a time; guards warmed_
    std::map<std::string, Json> warmed_;
};

}  // namespace gantry::container
