#include "testbed.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <thread>

#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/network/netns_pool.hpp"

extern char** environ;

namespace gantry::network::test {
namespace {

// A descriptor made by `make` on a thread inside the namespace.
template <typename F>
UniqueFd inside(int netns, F make) {
    UniqueFd fd;
    std::thread([&] {
        if (netns >= 0 && ::setns(netns, CLONE_NEWNET) != 0) return;
        fd.reset(make());
    }).join();
    return fd;
}

// An address of either family with its port.
union SocketAddress {
    sockaddr any;
    sockaddr_in four;
    sockaddr_in6 six;
    socklen_t size() const { return any.sa_family == AF_INET6 ? sizeof six : sizeof four; }
};

int family_of(const std::string& address) { return address.find(':') == std::string::npos ? AF_INET : AF_INET6; }

SocketAddress socket_address(const std::string& address, std::uint16_t port) {
    SocketAddress a{};
    a.six = {};
    a.any.sa_family = static_cast<sa_family_t>(family_of(address));
    a.four.sin_port = htons(port);  // at the same place in both
    void* bytes = &a.four.sin_addr;
    if (a.any.sa_family == AF_INET6) bytes = &a.six.sin6_addr;
    ::inet_pton(a.any.sa_family, address.c_str(), bytes);
    return a;
}

bool readable(int fd, int timeout_ms) {
    pollfd wait{fd, POLLIN, 0};
    return ::poll(&wait, 1, timeout_ms) == 1;
}

UniqueFd bound(int netns, int type, const std::string& address, std::uint16_t port) {
    return inside(netns, [&] {
        int fd = ::socket(family_of(address), type | SOCK_CLOEXEC, 0);
        const int on = 1;
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        const SocketAddress a = socket_address(address, port);
        EXPECT_EQ(::bind(fd, &a.any, a.size()), 0) << address << ":" << port << " " << std::strerror(errno);
        if (type == SOCK_STREAM) {
            EXPECT_EQ(::listen(fd, 16), 0);
        }
        return fd;
    });
}

}  // namespace

std::string run(const std::vector<std::string>& argv) {
    int pipes[2];
    if (::pipe2(pipes, O_CLOEXEC) != 0) return {};
    UniqueFd out(pipes[0]), in(pipes[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in.get(), 1);
    std::vector<char*> arguments;
    for (const std::string& a : argv) arguments.push_back(const_cast<char*>(a.c_str()));
    arguments.push_back(nullptr);
    pid_t pid = 0;
    const int error = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    in.reset();
    EXPECT_EQ(error, 0) << argv[0];
    if (error != 0) return {};
    auto text = read_all(out.get());
    int status = 0;
    ::waitpid(pid, &status, 0);
    std::string shown;
    for (const std::string& a : argv) shown += a + " ";
    EXPECT_EQ(status, 0) << shown;
    return text ? *text : "";
}

std::string run_in(int netns, std::vector<std::string> argv) {
    argv.insert(argv.begin(), "nsenter");
    argv.insert(argv.begin() + 1, "--net=/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(netns));
    return run(argv);
}

UniqueFd listen_in(int netns, std::uint16_t port, const char* address) {
    return bound(netns, SOCK_STREAM, address, port);
}
UniqueFd receive_udp_in(int netns, std::uint16_t port) { return bound(netns, SOCK_DGRAM, "0.0.0.0", port); }

std::optional<std::string> reach(int from, const std::string& address, std::uint16_t port, int listener,
                                 int timeout_ms) {
    const int family = family_of(address);
    UniqueFd client = inside(from, [&] { return ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); });
    const SocketAddress to = socket_address(address, port);
    (void)::connect(client.get(), &to.any, to.size());
    if (!readable(listener, timeout_ms)) return std::nullopt;
    SocketAddress peer{};
    socklen_t length = sizeof peer;
    UniqueFd accepted(::accept4(listener, &peer.any, &length, SOCK_CLOEXEC));
    if (!accepted) return std::nullopt;
    // The way back must work too.
    if (::send(accepted.get(), "x", 1, MSG_NOSIGNAL) != 1 || !readable(client.get(), timeout_ms))
        return "no answer came back";
    char byte = 0;
    if (::recv(client.get(), &byte, 1, 0) != 1) return "no answer came back";
    char text[INET6_ADDRSTRLEN];
    const void* bytes = &peer.four.sin_addr;
    if (family == AF_INET6) bytes = &peer.six.sin6_addr;
    return std::string(::inet_ntop(family, bytes, text, sizeof text));
}

bool reach_udp(int from, const std::string& address, std::uint16_t port, int receiver, int timeout_ms) {
    UniqueFd client = inside(from, [&] { return ::socket(family_of(address), SOCK_DGRAM | SOCK_CLOEXEC, 0); });
    return send_udp(client.get(), address, port, receiver, timeout_ms);
}

bool send_udp(int sender, const std::string& address, std::uint16_t port, int receiver, int timeout_ms) {
    const SocketAddress to = socket_address(address, port);
    (void)::sendto(sender, "web", 3, 0, &to.any, to.size());
    if (!readable(receiver, timeout_ms)) return false;
    char data[8];
    return ::recv(receiver, data, sizeof data, 0) == 3;
}

Port tcp(std::uint16_t host, std::uint16_t container, std::string address) {
    return {"tcp", container, std::move(address), host};
}

void Bed::SetUpTestSuite() {
    if (::geteuid() != 0) return;
    // Before any thread of the suite exists; threads made later are born inside.
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << std::strerror(errno);
    run({"ip", "link", "set", "lo", "up"});
}

void Bed::SetUp() {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: makes network namespaces";
    engine = "t" + new_id().substr(0, 6);
    directory = std::filesystem::temp_directory_path() / ("gantry-network-" + new_id().substr(0, 8));
    std::filesystem::create_directories(directory / "run");
    auto netns = make_netns();
    ASSERT_TRUE(netns) << netns.error().text;
    neighbour = std::move(netns).value();
    run({"ip", "link", "add", "lan0", "type", "veth", "peer", "name", "nb0", "netns",
         "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(neighbour.get())});
    run({"ip", "address", "add", std::string(host_address) + "/24", "dev", "lan0"});
    run({"sysctl", "-qw", "net.ipv6.conf.lan0.accept_dad=0"});
    run({"ip", "address", "add", std::string(host_address6) + "/64", "dev", "lan0", "nodad"});
    run({"ip", "link", "set", "lan0", "up"});
    run_in(neighbour.get(), {"ip", "address", "add", std::string(neighbour_address) + "/24", "dev", "nb0"});
    run_in(neighbour.get(), {"sysctl", "-qw", "net.ipv6.conf.nb0.accept_dad=0", "net.ipv6.conf.nb0.disable_ipv6=0"});
    run_in(neighbour.get(), {"ip", "address", "add", std::string(neighbour_address6) + "/64", "dev", "nb0", "nodad"});
    run_in(neighbour.get(), {"ip", "link", "set", "nb0", "up"});
    // Whoever asks for a link has the kernel act on its carrier at once (Linux 6.8).
    run({"ip", "link", "show", "lan0"});
    run_in(neighbour.get(), {"ip", "link", "show", "nb0"});
    auto opened = store::Store::open(directory / "store.db");
    ASSERT_TRUE(opened) << opened.error().text;
    store = std::move(opened).value();
    reopen();
}

void Bed::reopen() {
    service.reset();
    drivers.reset();
    driver::Settings settings;
    settings.engine = engine;
    settings.path = {GANTRY_TEST_DRIVERS};
    settings.root = directory / "root";
    settings.run = directory / "run";
    settings.host_program = "/nonexistent/gantry-driver-host";
    std::filesystem::create_directories(settings.root);
    drivers = std::make_unique<driver::Registry>(settings);
    Settings mine{engine, directory / "run", "bridge", "host", "none", {{"172.17.0.0/12", 20}}, "fd12:3456:789a::/48"};
    auto opened = NetworkService::open(mine, *store, *drivers);
    ASSERT_TRUE(opened) << opened.error().text;
    service = std::move(opened).value();
}

void Bed::TearDown() {
    if (service) service->shut_down();
    service.reset();
    drivers.reset();
    store.reset();
    if (neighbour) run({"ip", "link", "delete", "lan0"});
    neighbour.reset();
    if (!directory.empty()) std::filesystem::remove_all(directory);
}

Json Bed::inspect(const std::string& network) {
    auto json = service->inspect(network);
    EXPECT_TRUE(json) << json.error().text;
    return json ? *json : Json();
}

std::string Bed::links() { return run({"ip", "-br", "link"}); }
std::string Bed::ruleset() { return run({"nft", "list", "ruleset"}); }

}  // namespace gantry::network::test
