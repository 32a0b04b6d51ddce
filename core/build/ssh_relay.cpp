#include "core/build/ssh_relay.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#include "core/base/files.hpp"

namespace gantry::build {
namespace {

constexpr std::size_t most_connections = 32;

struct Pair {
    UniqueFd inside, outside;
    bool over = false;
};

// Moves what is there; false: the connection has ended.
bool move(int from, int to) {
    char buffer[16384];
    const ssize_t n = ::recv(from, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    // An agent's messages are small and answered one by one: a write that blocks is over soon, or the connection is.
    return n > 0 && bool(write_all(to, {buffer, static_cast<std::size_t>(n)}));
}

}  // namespace

struct SshRelay::State {
    std::string path, id;
    Client* client = nullptr;
    UniqueFd listener, wake;
    std::thread thread;

    void run() {
        std::vector<Pair> pairs;
        for (;;) {
            std::vector<pollfd> fds{{wake.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}};
            for (const Pair& pair : pairs) {
                fds.push_back({pair.inside.get(), POLLIN, 0});
                fds.push_back({pair.outside.get(), POLLIN, 0});
            }
            if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
            if (fds[0].revents) return;
            for (std::size_t i = 0; i < pairs.size(); ++i) {
                if (fds[2 + 2 * i].revents) pairs[i].over |= !move(pairs[i].inside.get(), pairs[i].outside.get());
                if (fds[3 + 2 * i].revents) pairs[i].over |= !move(pairs[i].outside.get(), pairs[i].inside.get());
            }
            std::erase_if(pairs, [](const Pair& pair) { return pair.over; });
            if (!fds[1].revents) continue;
            UniqueFd inside(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!inside || pairs.size() >= most_connections) continue;
            auto outside = client->ssh(id);
            if (outside && *outside) pairs.push_back({std::move(inside), std::move(**outside), false});
        }
    }
};

Result<std::unique_ptr<SshRelay>> SshRelay::open(const std::string& path, const std::string& id, std::uint32_t uid,
                                                 std::uint32_t gid, mode_t mode, Client& client) {
    GANTRY_TRY(auto first, client.ssh(id));
    if (!first) return fail(Code::not_found, "no SSH agent \"" + id + "\" was given: use --ssh");
    std::unique_ptr<SshRelay> relay(new SshRelay);
    relay->state_ = std::make_unique<State>();
    State& state = *relay->state_;
    state.path = path;
    state.id = id;
    state.client = &client;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return fail(Code::invalid, "the path \"" + path + "\" is too long");
    path.copy(address.sun_path, path.size());
    state.listener.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    state.wake.reset(::eventfd(0, EFD_CLOEXEC));
    if (!state.listener || !state.wake) return fail_errno("make a socket");
    if (::bind(state.listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::chown(path.c_str(), uid, gid) != 0 || ::chmod(path.c_str(), mode) != 0 ||
        ::listen(state.listener.get(), 16) != 0)
        return fail_errno("listen at \"" + path + "\"");
    state.thread = std::thread([&state] { state.run(); });
    return relay;
}

SshRelay::~SshRelay() {
    if (!state_) return;
    if (state_->thread.joinable()) {
        const std::uint64_t one = 1;
        (void)!::write(state_->wake.get(), &one, sizeof one);
        state_->thread.join();
    }
    ::unlink(state_->path.c_str());
}

}  // namespace gantry::build
