#include "core/monitor/launcher.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gantry/abi/runtime.h>
#include <gantry/driver.hpp>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/monitor/monitor.hpp"
#include "core/monitor/process_title.hpp"
#include "core/monitor/spawn.hpp"
#include "core/monitor/wire.hpp"

namespace gantry::monitor {
namespace {

constexpr int spare_pause_ms = 20;

}  // namespace

Result<LauncherSettings> read_settings(const Json& json) {
    LauncherSettings settings;
    settings.run = member<std::string>(json, "run");
    settings.identity = member<std::string>(json, "identity");
    settings.drivers.engine = member<std::string>(json, "engine");
    settings.drivers.path = member<std::vector<std::string>>(json, "path");
    settings.drivers.root = member<std::string>(json, "root");
    settings.drivers.run = settings.run;
    settings.drivers.inline_calls = true;
    if (!settings.run.starts_with('/'))
        return fail(Code::invalid, "run directory \"" + settings.run + "\" is not absolute");
    const Json runtimes = member<Json>(json, "runtimes", Json::object());
    if (!runtimes.is_object()) return fail(Code::invalid, "\"runtimes\" is not an object");
    for (const auto& [name, value] : runtimes.items()) {
        driver::Wanted wanted{name, member<std::string>(value, "use"), member<Json>(value, "options", Json::object()),
                              driver::Isolation::in_process};
        settings.drivers.drivers.push_back(std::move(wanted));
    }
    if (std::string level = member<std::string>(json, "log_level"); !level.empty() && !log::set_level(level))
        return fail(Code::invalid,
                    "log level \"" + level + "\" is not one of \"error\", \"warn\", \"info\", \"debug\"");
    return settings;
}

Launcher::Launcher(LauncherSettings settings, Loop loop)
    : settings_(std::move(settings)), loop_(std::move(loop)), registry_(settings_.drivers) {}

Result<std::unique_ptr<Launcher>> Launcher::create(LauncherSettings settings) {
    GANTRY_TRY(Loop loop, Loop::create());
    std::unique_ptr<Launcher> launcher(new Launcher(std::move(settings), std::move(loop)));
    for (const driver::Wanted& wanted : launcher->settings_.drivers.drivers)
        if (auto loaded = launcher->registry_.get(driver::Kind::runtime, wanted.name); !loaded)
            log::error("a runtime driver is not available", {{"driver", wanted.name}, {"error", loaded.error().text}});
    // What a killed monitor leaves is collected here, whatever runs as the machine's first process.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    // After the drivers, which may wait for children of their own at their start.
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    launcher->signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!launcher->signals_) return fail_errno("signalfd");
    launcher->signals_watch_ =
        std::make_unique<Watch>(launcher->loop_, launcher->signals_.get(), [raw = launcher.get()](std::uint32_t) {
            signalfd_siginfo info;
            while (::read(raw->signals_.get(), &info, sizeof info) > 0) {
            }
            raw->collect_children();
        });
    GANTRY_TRY(launcher->listener_, listen_unix(launcher->settings_.run + "/launcher.sock", SOCK_SEQPACKET, 0600));
    if (int flags = ::fcntl(launcher->listener_.get(), F_GETFL); flags >= 0)
        ::fcntl(launcher->listener_.get(), F_SETFL, flags | O_NONBLOCK);
    launcher->listener_watch_ =
        std::make_unique<Watch>(launcher->loop_, launcher->listener_.get(),
                                [raw = launcher.get()](std::uint32_t) { raw->accept_connection(); });
    if (!launcher->listener_watch_->want(EPOLLIN) || !launcher->signals_watch_->want(EPOLLIN))
        return fail_errno("watch the launcher's socket");
    return launcher;
}

Result<void> Launcher::run() {
    ::malloc_trim(0);
    while (!stopping_) {
        // Not at once after a launch: the container that is just being made needs the processors more.
        const bool wanted = !spare_ && !spares_fail_;
        GANTRY_TRY(const bool any, loop_.run_once(wanted ? spare_pause_ms : -1));
        std::erase_if(connections_, [](const auto& connection) { return connection->dead; });
        if (wanted && (!any || std::exchange(child_ended_, false)) && !stopping_) make_spare();
    }
    return {};
}

void Launcher::collect_children() {
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
        child_ended_ = true;
        if (!spare_ || pid != spare_->pid()) continue;
        // Ended unused: whatever ends it might end the next one as well.
        log::warn("a spare monitor has ended", {{"pid", std::to_string(pid)}});
        spare_.reset();
        spares_fail_ = true;
    }
}

void Launcher::make_spare() {
    auto made = Spare::make(registry_, [this] { close_own_descriptors(); });
    if (made)
        spare_ = std::move(*made);
    else
        log::warn("no monitor is made ahead", {{"reason", made.error().text}});
    spares_fail_ = !made;
}

void Launcher::accept_connection() {
    auto fd = accept_unix(listener_.get());
    if (!fd) return;
    auto uid = peer_uid(fd->get());
    if (!uid || (*uid != 0 && *uid != ::geteuid())) return;
    auto owned = std::make_unique<Connection>();
    Connection& connection = *owned;
    connection.fd = std::move(*fd);
    connection.watch =
        std::make_unique<Watch>(loop_, connection.fd.get(), [this, &connection](std::uint32_t) { serve(connection); });
    if (connection.watch->want(EPOLLIN)) connections_.push_back(std::move(owned));
}

void Launcher::serve(Connection& connection) {
    if (connection.dead) return;
    connection.dead = true;
    connection.watch->want(0);
    UniqueFd fd = std::move(connection.fd);
    int number = fd.get();
    auto message = receive_message(number);
    if (!message) return;
    std::string operation = member<std::string>(message->body, "op");
    auto refuse = [&](const Error& error) { (void)send_message(number, {{"error", error_to_json(error)}}); };
    if (auto named = check_fd_names(*message); !named) return refuse(named.error());
    // These answer from a process of their own, and refuse from here.
    if (operation == "launch" || operation == "spawn" || operation == "sweep") {
        auto done = operation == "launch"  ? launch(std::move(*message), fd)
                    : operation == "spawn" ? spawn(std::move(*message), fd)
                                           : sweep(std::move(*message), fd);
        if (!done) refuse(done.error());
        return;
    }
    auto result = perform(operation, message->body);
    if (!result) return refuse(result.error());
    (void)send_message(number, *result);
}

Result<Json> Launcher::perform(const std::string& operation, const Json& body) {
    if (operation == "hello") {
        return Json{{"protocol", protocol_version},
                    {"engine", settings_.drivers.engine},
                    {"identity", settings_.identity},
                    {"pid", ::getpid()}};
    }
    if (operation == "drivers") return list_drivers();
    if (operation == "warm_seccomp") return warm(body);
    if (operation == "shutdown") {
        stopping_ = true;
        // Gone from the file system before the answer, so that a successor's socket is never the one removed.
        ::unlink((settings_.run + "/launcher.sock").c_str());
        return Json{{"pid", ::getpid()}};
    }
    return fail(Code::unsupported, "operation \"" + operation + "\" is not known to the launcher");
}

Result<Json> Launcher::warm(const Json& body) {
    Json request{{"digest", member<std::string>(body, "digest")},
                 {"profile", member<Json>(body, "profile", Json::object())}};
    Json warmed = Json::array();
    for (const driver::Wanted& wanted : settings_.drivers.drivers) {
        auto loaded = registry_.get(driver::Kind::runtime, wanted.name);
        if (!loaded || !(*loaded)->offers(GANTRY_RUNTIME_WARM)) continue;
        GANTRY_TRY([[maybe_unused]] driver::Reply reply, (*loaded)->call(GANTRY_RUNTIME_WARM, "seccomp", request));
        warmed.push_back(wanted.name);
    }
    spare_.reset();  // it has not what the drivers have now
    ::malloc_trim(0);
    return Json{{"drivers", std::move(warmed)}};
}

Json Launcher::list_drivers() {
    Json all = Json::array();
    for (const driver::Found& found : registry_.list(driver::Kind::runtime))
        all.push_back({{"name", found.name},
                       {"file", found.file},
                       {"kind", found.kind},
                       {"version", found.version},
                       {"isolation", found.isolation},
                       {"summary", found.summary},
                       {"loaded", found.loaded},
                       {"problem", found.problem},
                       {"description", found.description}});
    return {{"drivers", std::move(all)}};
}

// In a forked child: by number, as the launcher's objects are not destroyed there. Descriptors of the drivers stay open.
void Launcher::close_own_descriptors() {
    for (int fd : {listener_.get(), signals_.get(), loop_.fd(), spare_ ? spare_->channel() : -1})
        if (fd >= 0) ::close(fd);
    for (const auto& connection : connections_)
        if (connection->fd) ::close(connection->fd.get());
}

Result<void> Launcher::launch(Message message, UniqueFd& connection) {
    std::string name = member<std::string>(message.body, "driver");
    GANTRY_TRY(auto driver, registry_.get(driver::Kind::runtime, name));
    GANTRY_FAILPOINT("launcher.before_fork");
    spares_fail_ = child_ended_ = false;
    if (auto spare = std::move(spare_); spare && spare->hand_over(message, connection.get())) {
        GANTRY_FAILPOINT("launcher.after_fork");
        return {};
    }
    pid_t child = ::fork();
    if (child < 0) return fail_errno("fork a monitor");
    if (child == 0) {
        close_own_descriptors();
        settle_monitor();
        run_monitor(std::move(message), std::move(connection), std::move(driver), registry_);
        ::_exit(0);
    }
    GANTRY_FAILPOINT("launcher.after_fork");
    return {};
}

Result<void> Launcher::spawn(Message message, UniqueFd& connection) {
    GANTRY_TRY(SpawnSpec spec, read_spawn(message));
    GANTRY_FAILPOINT("launcher.before_spawn");
    pid_t child = ::fork();
    if (child < 0) return fail_errno("fork a supervisor");
    if (child == 0) {
        close_own_descriptors();
        run_supervisor(std::move(spec), std::move(connection));
        ::_exit(0);
    }
    return {};
}

// What a killed monitor left. In a process of its own, because the driver may wait for processes to die.
Result<void> Launcher::sweep(Message message, UniqueFd& connection) {
    GANTRY_TRY(auto driver, registry_.get(driver::Kind::runtime, member<std::string>(message.body, "driver")));
    GANTRY_FAILPOINT("launcher.before_sweep");
    pid_t child = ::fork();
    if (child < 0) return fail_errno("fork a sweeper");
    if (child == 0) {
        close_own_descriptors();
        ::setsid();
        set_process_title("gantry-sweep", "gantry-sweep " + member<std::string>(message.body, "id"));
        sigset_t none;
        ::sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        auto removed = driver->call(GANTRY_RUNTIME, "remove",
                                    {{"id", member<std::string>(message.body, "id")},
                                     {"cgroup_path", member<std::string>(message.body, "cgroup_path")}});
        (void)send_message(connection.get(),
                           removed ? Json::object() : Json{{"error", error_to_json(removed.error())}});
        ::_exit(0);
    }
    return {};
}

}  // namespace gantry::monitor
