// gantry-dial: the client's way to an engine that is not on this host. Standard input is one end of a stream socket; what goes
// over it is carried to the engine and back. Why it cannot is said on standard error, in one line.
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/tls/context.hpp"
#include "core/tls/tcp.hpp"
#include "core/tls/tunnel.hpp"

using namespace gantry;

namespace {

constexpr int connect_ms = 10'000;

struct Options {
    std::string host;
    int port = 0;
    bool tls = false, no_verify = false;
    tls::Files files;
    std::vector<std::string> command;
};

int refuse(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    return 1;
}

// Without TLS the engine cannot tell our end from a half-close: so the end of a client that wants no answer any more is a reset,
// as soon as what it sent is there.
void reset_when_sent(int socket) {
    int unsent = 0;
    for (int i = 0; i < 100 && ::ioctl(socket, SIOCOUTQ, &unsent) == 0 && unsent > 0; ++i) ::usleep(10'000);
    const linger at_once{1, 0};
    (void)::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

int carry(tls::Tunnel& tunnel) {
    while (tunnel.advance()) {
        pollfd ready[2] = {{tunnel.inner_poll(), tunnel.inner_events(), 0},
                           {tunnel.outer_poll(), tunnel.outer_events(), 0}};
        if (::poll(ready, 2, -1) < 0 && errno != EINTR) return refuse(std::strerror(errno));
        if (ready[0].revents & (POLLHUP | POLLERR)) tunnel.inner_gone();
    }
    return tunnel.reason().empty() ? 0 : refuse(tunnel.reason());
}

int connect(const Options& options) {
    tls::Context context;
    if (options.tls) {
        auto made = tls::client_context(options.files, options.no_verify ? tls::Verify::no : tls::Verify::yes);
        if (!made) return refuse(made.error().text);
        context = std::move(*made);
    }
    auto socket = tls::connect_tcp(options.host, options.port, connect_ms);
    if (!socket) return refuse(socket.error().text);
    tls::Session session;
    if (context) {
        auto begun = tls::connecting(context.get(), socket->get(), options.host);
        if (!begun) return refuse(begun.error().text);
        session = std::move(*begun);
    }
    UniqueFd inner(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!inner) return refuse("standard input is not open");
    // These would keep the inner end open for whoever waits for its end.
    ::close(STDIN_FILENO);
    ::close(STDOUT_FILENO);
    const bool plain = !session;
    const int outer = socket->get();
    // Then we see the client's end ourselves, and end in our own way.
    if (plain) ::prctl(PR_SET_PDEATHSIG, 0);
    tls::Tunnel tunnel(std::move(inner), std::move(*socket), std::move(session));
    const int status = carry(tunnel);
    if (plain) reset_when_sent(outer);
    return status;
}

// A program (ssh) in our place, which ends with the client as we would.
int run(std::vector<std::string> command) {
    std::vector<char*> argv;
    for (std::string& word : command) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::execvp(argv[0], argv.data());
    return refuse(command[0] + ": " + std::strerror(errno));
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app{"gantry-dial: carries the client's connection to an engine on another host"};
    app.require_subcommand(1);
    CLI::App* tcp = app.add_subcommand("tcp", "a TCP connection");
    tcp->add_option("HOST", options.host)->required();
    tcp->add_option("PORT", options.port)->required()->check(CLI::Range(1, 65535));
    tcp->add_flag("--tls", options.tls, "with TLS");
    tcp->add_flag("--no-verify", options.no_verify, "whoever it is");
    tcp->add_option("--ca", options.files.ca, "certificates of those who sign the engine's");
    tcp->add_option("--cert", options.files.certificate, "our certificate");
    tcp->add_option("--key", options.files.key, "its key");
    CLI::App* program = app.add_subcommand("run", "what a program carries");
    program->prefix_command();
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e);
    }
    // The client may be killed before it can end us.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::signal(SIGPIPE, SIG_IGN);
    try {
        if (tcp->parsed()) return connect(options);
        if (program->remaining().empty()) return refuse("run needs a program");
        return run(program->remaining());
    } catch (const std::exception& e) {
        return refuse(e.what());
    }
}
