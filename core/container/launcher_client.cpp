#include "core/container/launcher_client.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gantry/driver.hpp>

#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/monitor/wire.hpp"

namespace gantry::container {
namespace {

constexpr int quick_ms = 10'000;   // the launcher answers at once, unless it loads drivers
constexpr int launch_ms = 40'000;  // the driver's create: 30 s

UniqueFd open_process(int pid) { return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

// The launcher has gone in the middle of a conversation.
Error gone() { return fail(Code::internal, "gantry-launcher ended in the middle of a request"); }

}  // namespace

Result<std::unique_ptr<Launcher>> Launcher::connect(
    std::string run, std::string program, Json settings,
    std::function<void(const std::string&, const MonitorEvent&)> on_event) {
    GANTRY_TRY(auto links, MonitorLinks::create(std::move(on_event)));
    auto client =
        std::make_unique<LauncherClient>(std::move(run), std::move(program), std::move(settings), std::move(links));
    GANTRY_CHECK(client->begin());
    return std::unique_ptr<Launcher>(std::move(client));
}

LauncherClient::~LauncherClient() { links_->stop(); }

Result<void> LauncherClient::begin() {
    std::lock_guard lock(starting_);
    GANTRY_TRY(std::string identity, launcher_identity(program_, settings_));
    settings_["identity"] = identity;
    settings_["run"] = run_;
    auto connection = connect();
    if (connection) {
        auto hello = ask_on(connection->get(), {{"op", "hello"}}, quick_ms);
        if (hello && member<std::string>(*hello, "identity") == identity &&
            member<int>(*hello, "protocol") == monitor::protocol_version)
            return {};
        // Of another version, or with other drivers. Its monitors go on.
        shut_down();
    }
    return start_program();
}

Result<UniqueFd> LauncherClient::connect() { return connect_unix(run_ + "/launcher.sock", SOCK_SEQPACKET); }

Result<UniqueFd> LauncherClient::connect_or_start() {
    auto connection = connect();
    if (connection) return connection;
    std::lock_guard lock(starting_);
    connection = connect();
    if (connection) return connection;
    log::warn("gantry-launcher is gone and is started again", {{"reason", connection.error().text}});
    GANTRY_CHECK(start_program());
    return connect();
}

Result<void> LauncherClient::start_program() {
    GANTRY_CHECK(run_launcher(program_, settings_));
    for (const auto& [digest, profile] : warmed_) {
        GANTRY_TRY(UniqueFd connection, connect());
        GANTRY_TRY(
            [[maybe_unused]] Json answer,
            ask_on(connection.get(), {{"op", "warm_seccomp"}, {"digest", digest}, {"profile", profile}}, quick_ms));
    }
    return {};
}

Result<Json> LauncherClient::ask_on(int socket, Json body, int timeout_ms) {
    GANTRY_CHECK(send_message(socket, body));
    auto message = receive_message(socket, timeout_ms);
    if (!message) return message.error().code == Code::not_found ? gone() : std::move(message).error();
    if (message->body.contains("error")) return monitor::error_from_json(message->body["error"]);
    return std::move(message->body);
}

Result<UniqueFd> LauncherClient::send_request(const Json& body, const Fds& fds) {
    GANTRY_TRY(UniqueFd connection, connect_or_start());
    auto sent = monitor::send_with_fds(connection.get(), body, fds);
    if (sent) return connection;
    if (sent.error().system_errno == EPIPE || sent.error().system_errno == ECONNRESET) return UniqueFd();
    return std::move(sent).error();
}

Result<std::pair<UniqueFd, Message>> LauncherClient::await_answer(UniqueFd connection, const Json& body, const Fds& fds,
                                                                  int timeout_ms) {
    for (int attempt = 0;; ++attempt) {
        auto answer =
            connection ? receive_message(connection.get(), timeout_ms) : Result<Message>(fail(Code::not_found, ""));
        if (answer && answer->body.contains("error")) return monitor::error_from_json(answer->body["error"]);
        if (answer) return std::pair<UniqueFd, Message>(std::move(connection), std::move(*answer));
        if (answer.error().code != Code::not_found) return std::move(answer).error();
        if (attempt > 0 || connect()) return gone();
        GANTRY_TRY(connection, send_request(body, fds));
    }
}

Result<std::pair<UniqueFd, Message>> LauncherClient::begin_request(const Json& body, const Fds& fds, int timeout_ms) {
    GANTRY_TRY(UniqueFd connection, send_request(body, fds));
    return await_answer(std::move(connection), body, fds, timeout_ms);
}

Result<Json> LauncherClient::ask(Json body, int timeout_ms) {
    GANTRY_TRY(auto answered, begin_request(body, {}, timeout_ms));
    return std::move(answered.second.body);
}

Result<std::shared_ptr<Monitor>> LauncherClient::adopt(UniqueFd connection, MonitorLink::Identity identity) {
    auto link = std::make_shared<MonitorLink>(links_, std::move(connection), std::move(identity));
    GANTRY_CHECK(links_->add(link));
    return std::shared_ptr<Monitor>(std::move(link));
}

class LauncherClient::Launching final : public Launch {
public:
    Launching(LauncherClient& client, LaunchRequest request)
        : client_(client), id_(request.id), exit_file_(request.exit_file) {
        for (const driver::NamedFd& fd : request.fds) fds_.emplace_back(fd.name, fd.fd);
        attachments_ = std::move(request.attachments);
        Json attachments = Json::array();
        for (const Monitor::Attachment& attachment : attachments_)
            attachments.push_back(
                describe_attachment(attachment, "attach:" + std::to_string(attachments.size()) + ":", fds_, keep_));
        body_ = {{"op", "launch"},
                 {"acknowledges", true},
                 {"id", request.id},
                 {"driver", request.driver},
                 {"bundle", request.bundle},
                 {"run_dir", request.run_dir},
                 {"exit_file", request.exit_file},
                 {"mounts", std::move(request.mounts)},
                 {"terminal", request.terminal},
                 {"open_stdin", request.open_stdin},
                 {"stdin_once", request.stdin_once},
                 {"seccomp", request.seccomp},
                 {"log", std::move(request.log)},
                 {"attachments", std::move(attachments)}};
    }
    Result<void> send() {
        GANTRY_TRY(connection_, client_.send_request(body_, fds_));
        return {};
    }
    Result<std::shared_ptr<Monitor>> wait() override {
        GANTRY_TRY(auto answered, client_.await_answer(std::move(connection_), body_, fds_, launch_ms));
        // The monitor has them now: a client must not hold its connection open through us.
        attachments_.clear();
        keep_.clear();
        auto& [connection, answer] = answered;
        MonitorLink::Identity identity{id_, exit_file_, member<int>(answer.body, "pid"),
                                       member<int>(answer.body, "monitor_pid"), monitor::take_fd(answer, "monitor")};
        return client_.adopt(std::move(connection), std::move(identity));
    }

private:
    LauncherClient& client_;
    const std::string id_, exit_file_;
    std::vector<Monitor::Attachment> attachments_;
    Fds fds_;
    std::vector<UniqueFd> keep_;
    Json body_;
    UniqueFd connection_;
};

Result<std::unique_ptr<Launcher::Launch>> LauncherClient::begin_launch(LaunchRequest request) {
    auto launching = std::make_unique<Launching>(*this, std::move(request));
    GANTRY_CHECK(launching->send());
    return std::unique_ptr<Launch>(std::move(launching));
}

Result<std::shared_ptr<Monitor>> LauncherClient::reconnect(const std::string& id, const std::string& run_dir) {
    GANTRY_TRY(UniqueFd directory, open_file(run_dir, O_PATH | O_DIRECTORY));
    GANTRY_TRY(UniqueFd connection, connect_unix(monitor::monitor_socket_at(directory.get()), SOCK_SEQPACKET));
    GANTRY_CHECK(send_message(connection.get(), {{"op", "hello"}, {"seq", 0}, {"acknowledges", true}}));
    GANTRY_TRY(Message hello, receive_message(connection.get(), launch_ms));
    if (hello.body.contains("error")) return monitor::error_from_json(hello.body["error"]);
    if (std::string found = member<std::string>(hello.body, "id"); found != id)
        return fail(Code::corrupt,
                    "the monitor in \"" + run_dir + "\" is that of \"" + found + "\", not of \"" + id + "\"");
    int monitor_pid = member<int>(hello.body, "monitor_pid");
    // While the connection stands, the number is still that of the monitor.
    MonitorLink::Identity identity{id, member<std::string>(hello.body, "exit_file"), member<int>(hello.body, "pid"),
                                   monitor_pid, open_process(monitor_pid)};
    return adopt(std::move(connection), std::move(identity));
}

Result<void> LauncherClient::warm_seccomp(const std::string& digest, const Json& profile) {
    GANTRY_TRY([[maybe_unused]] Json answer,
               ask({{"op", "warm_seccomp"}, {"digest", digest}, {"profile", profile}}, quick_ms));
    std::lock_guard lock(starting_);
    warmed_[digest] = profile;
    return {};
}

Result<int> LauncherClient::spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                                  const int fds[3], int timeout_ms, const std::function<void(int)>& on_pid) {
    static constexpr const char* names[3] = {"stdin", "stdout", "stderr"};
    std::vector<monitor::FdToSend> named;
    for (int i = 0; i < 3; ++i)
        if (fds[i] >= 0) named.emplace_back(names[i], fds[i]);
    GANTRY_TRY(auto begun,
               begin_request({{"op", "spawn"}, {"argv", argv}, {"env", environment}, {"timeout_ms", timeout_ms}}, named,
                             quick_ms));
    if (on_pid) on_pid(member<int>(begun.second.body, "pid"));
    auto message = receive_message(begun.first.get(), timeout_ms > 0 ? timeout_ms + quick_ms : -1);
    if (!message) return message.error().code == Code::not_found ? gone() : std::move(message).error();
    if (message->body.contains("error")) return monitor::error_from_json(message->body["error"]);
    return member<int>(message->body, "exit", 255);
}

Result<void> LauncherClient::sweep(const std::string& driver, const std::string& id, const std::string& cgroup_path) {
    GANTRY_TRY([[maybe_unused]] Json answer,
               ask({{"op", "sweep"}, {"driver", driver}, {"id", id}, {"cgroup_path", cgroup_path}}, launch_ms));
    return {};
}

Result<Json> LauncherClient::drivers() {
    GANTRY_TRY(Json answer, ask({{"op", "drivers"}}, quick_ms));
    return member<Json>(answer, "drivers", Json::array());
}

void LauncherClient::shut_down() {
    auto connection = connect();
    if (!connection) return;
    auto answer = ask_on(connection->get(), {{"op", "hello"}}, quick_ms);
    if (!answer) return;
    UniqueFd process = open_process(member<int>(*answer, "pid"));
    auto again = connect();
    if (!again || !ask_on(again->get(), {{"op", "shutdown"}}, quick_ms) || !process) return;
    pollfd waiting{process.get(), POLLIN, 0};
    while (::poll(&waiting, 1, quick_ms) < 0 && errno == EINTR) {
    }
}

}  // namespace gantry::container
