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

    Result<std::shared_ptr<Monitor>> launch(LaunchRequest request) override;
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
    // Sends a request and gives the first answer with its connection. Once more when the launcher has died meanwhile: the
    // connection is closed then in all processes that could have begun with it.
    Result<std::pair<UniqueFd, Message>> begin_request(const Json& body,
                                                       const std::vector<std::pair<std::string, int>>& fds,
                                                       int timeout_ms);
    static Result<Json> ask_on(int socket, Json body, int timeout_ms);
    Result<std::shared_ptr<Monitor>> adopt(UniqueFd connection, MonitorLink::Identity identity);

    std::string run_, program_;
    Json settings_;
    std::shared_ptr<MonitorLinks> links_;
    std::mutex starting_;  // one start at a time; guards warmed_
    std::map<std::string, Json> warmed_;
};

}  // namespace gantry::container
