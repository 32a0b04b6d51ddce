// The engine on TCP: takes connections, lets in who has a certificate, and hands the server a socket of this host for each.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/config/hosts.hpp"
#include "core/daemon/http/http.hpp"
#include "core/tls/context.hpp"

namespace gantry::daemon {

// The server's side: one connection of a client who was let in. Called on the gate's thread.
using Adopt = std::function<void(UniqueFd socket, http::Peer peer)>;

// Limits, which tests shorten.
struct GateLimits {
    int handshake_ms = 10'000;
    std::size_t connections = 512;  // with those whose handshake goes on
};

class TcpGate {
public:
    // Binds all hosts. GANTRY_BUSY: a port is taken; GANTRY_INVALID: certificates, or hosts that would need some
    // (config::wrong_listen).
    static Result<std::unique_ptr<TcpGate>> open(const config::Listen& listen, Adopt adopt, GateLimits limits = {});
    // Ends all connections.
    ~TcpGate();
    // From now on connections are taken, on a thread of the gate's own.
    void start();
    // Reads the certificates anew, for connections from now on. An error leaves the old ones. Any thread.
    Result<void> renew();

private:
    class Loop;
    TcpGate(config::Listen listen, Adopt adopt, GateLimits limits);

    const config::Listen listen_;
    const Adopt adopt_;
    const GateLimits limits_;
    std::vector<UniqueFd> listeners_;
    std::mutex mutex_;  // of context_
    std::shared_ptr<SSL_CTX> context_;
    UniqueFd stop_;  // an eventfd
    std::thread thread_;
};

// The context for these settings, null without TLS.
Result<std::shared_ptr<SSL_CTX>> gate_context(const config::Listen& listen);

}  // namespace gantry::daemon
