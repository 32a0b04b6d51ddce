#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cli/handlers.hpp"

namespace gantry::cli {
namespace {

// A descriptor of the daemon's process, for waiting until it has ended.
Result<UniqueFd> process_of(const Connection& connection) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(connection.fd(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return fail_errno("ask who the daemon is");
    UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0)));
    if (!process) return fail_errno("open the daemon's process " + std::to_string(peer.pid));
    return process;
}

}  // namespace

Result<int> shutdown(Call& call) {
    bool containers = false;
    std::int64_t seconds = 300;
    Flags flags;
    flags.boolean(containers, 0, "containers",
                  "Stop all containers too, and remove what the engine made in the kernel");
    flags.integer(seconds, 't', "timeout", "Seconds to wait for the daemon to end");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    Client& client = call.client();
    client.never_start();
    GANTRY_TRY(Connection connection, client.connect());
    // Of an engine on another host the connection's end is all that can be seen.
    UniqueFd process;
    if (connection.local()) {
        GANTRY_TRY(process, process_of(connection));
    }
    Json body{{"containers", containers}};
    GANTRY_CHECK(connection.send("POST", "/gantry/shutdown", &body));
    // A daemon that ends before its answer is through has done what was asked.
    auto head = connection.receive_head();
    if (head) GANTRY_CHECK(connection.check_status());
    if (!head && !connection.local()) return head.error();
    if (!process) return 0;
    pollfd ended{process.get(), POLLIN, 0};
    int ready = ::poll(&ended, 1, static_cast<int>(std::clamp<std::int64_t>(seconds, 0, 86400) * 1000));
    if (ready < 0) return fail_errno("wait for the daemon to end");
    if (ready == 0)
        return fail(Code::deadline, "the daemon has not ended after " + std::to_string(seconds) + " seconds");
    return 0;
}

}  // namespace gantry::cli
