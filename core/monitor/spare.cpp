#include "core/monitor/spare.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <gantry/abi/runtime.h>
#include <gantry/driver.hpp>

#include "core/base/log.hpp"
#include "core/monitor/monitor.hpp"
#include "core/monitor/process_title.hpp"
#include "core/monitor/wire.hpp"

namespace gantry::monitor {
namespace {

constexpr const char* connection_name = "connection";

// What every create does with memory, once beforehand: after a fork each page written to for the first time costs a fault
// and a copy.
void touch_pages() {
    Json mounts = Json::array();
    for (int i = 0; i < 16; ++i)
        mounts.push_back({{"destination", "/somewhere/in/the/container"},
                          {"type", "bind"},
                          {"source", "/somewhere/on/the/host"},
                          {"options", {"rbind", "rw", "rprivate", "nosuid", "nodev"}}});
    const Json document{{"mounts", mounts}, {"process", {{"env", {"PATH=/usr/local/sbin:/usr/local/bin"}}}}};
    const Json again = Json::parse(document.dump(), nullptr, false);
    const std::vector<std::string> texts(12, again.dump());
}

[[noreturn]] void await_container(UniqueFd channel, driver::Registry& registry) {
    settle_monitor();
    set_process_title("gantry-spare", "gantry-spare");
    touch_pages();
    auto launch = receive_message(channel.get());
    if (!launch) ::_exit(0);  // the launcher has ended, or needs none any more
    UniqueFd connection = take_fd(*launch, connection_name);
    channel.reset();
    auto driver = registry.get(driver::Kind::runtime, member<std::string>(launch->body, "driver"));
    if (driver)
        run_monitor(std::move(*launch), std::move(connection), std::move(*driver), registry);
    else
        (void)send_message(connection.get(), {{"error", error_to_json(driver.error())}});
    ::_exit(0);
}

}  // namespace

Result<std::unique_ptr<Spare>> Spare::make(driver::Registry& registry, const std::function<void()>& in_child) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return fail_errno("make a socket pair");
    UniqueFd ours(ends[0]), theirs(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) return fail_errno("fork a spare monitor");
    if (child == 0) {
        ours.reset();
        in_child();
        await_container(std::move(theirs), registry);
    }
    return std::unique_ptr<Spare>(new Spare(child, std::move(ours)));
}

Result<void> Spare::hand_over(const Message& launch, int connection) {
    std::vector<FdToSend> fds;
    const Json names = member<Json>(launch.body, "fds", Json::array());
    for (std::size_t i = 0; i < launch.fds.size(); ++i)
        fds.emplace_back(names[i].get<std::string>(), launch.fds[i].get());
    fds.emplace_back(connection_name, connection);
    return send_with_fds(channel_.get(), launch.body, fds);
}

}  // namespace gantry::monitor
