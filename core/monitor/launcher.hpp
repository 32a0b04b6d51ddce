// gantry-launcher: one single-threaded process that has loaded the runtime drivers, and forks a monitor per container
// and a supervisor per helper program.
#pragma once
#include <list>
#include <memory>
#include <string>

#include "core/base/unix_socket.hpp"
#include "core/driver/registry.hpp"
#include "core/monitor/loop.hpp"
#include "core/monitor/spare.hpp"

namespace gantry::monitor {

// What the engine gives a launcher at its start (PROTOCOL.md, SETTINGS).
struct LauncherSettings {
    std::string run, identity;
    driver::Settings drivers;
};
Result<LauncherSettings> read_settings(const Json& json);

class Launcher {
public:
    // Listens on RUN/launcher.sock and loads the drivers. A driver that is refused is said in the log and by "drivers";
    // the launcher serves the others.
    static Result<std::unique_ptr<Launcher>> create(LauncherSettings settings);
    // Until "shutdown".
    Result<void> run();

private:
    struct Connection {
        UniqueFd fd;
        std::unique_ptr<Watch> watch;
        bool dead = false;
    };
    Launcher(LauncherSettings settings, Loop loop);
    void accept_connection();
    void serve(Connection& connection);
    Result<Json> perform(const std::string& operation, const Json& body);
    Result<Json> warm(const Json& body);
    Json list_drivers();
    // In the child, `connection` is taken; here it stays with the caller.
    Result<void> launch(Message message, UniqueFd& connection);
    Result<void> spawn(Message message, UniqueFd& connection);
    Result<void> sweep(Message message, UniqueFd& connection);
    void close_own_descriptors();
    void collect_children();
    void make_spare();

    LauncherSettings settings_;
    Loop loop_;
    driver::Registry registry_;
    UniqueFd listener_, signals_;
    std::unique_ptr<Watch> listener_watch_, signals_watch_;
    std::list<std::unique_ptr<Connection>> connections_;
    std::unique_ptr<Spare> spare_;
    bool stopping_ = false, child_ended_ = false, spares_fail_ = false;
};

}  // namespace gantry::monitor
