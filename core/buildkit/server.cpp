#include "core/buildkit/server.hpp"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/buildkit/services.hpp"
#include "core/buildkit/text_member.hpp"

namespace gantry::buildkit {
namespace {

// As BuildKit's own: an answer of many small events, or a Dockerfile, may be more than the 4 MiB of gRPC.
constexpr int most_message = 16 << 20;
constexpr int most_threads = 300;

Result<void> take(Message& message, grpc::Server& server, Shared& shared) {
    if (message.fds.size() != 1) return fail(Code::internal, "the engine sent no connection");
    const std::string type = text_of(message.body, "type");
    if (type == "session")
        return shared.sessions.add(text_of(message.body, "id"), text_of(message.body, "key"),
                                   std::move(message.fds[0]));
    if (type != "grpc") return fail(Code::internal, "the engine sent a message of an unknown type");
    if (::fcntl(message.fds[0].get(), F_SETFL, O_RDWR | O_NONBLOCK) != 0) return fail_errno("take a connection");
    grpc::AddInsecureChannelFromFd(&server, message.fds[0].release());
    return {};
}

}  // namespace

Result<void> serve(EngineLine& line, const ServerSettings& settings) {
    // Never destroyed: an end would wait for clients that keep a connection open, and calls may use these while the process ends.
    Shared& shared = *new Shared{{}, {}, line, settings.version, settings.architecture, 0, 0};
    auto* control = new ControlService(shared);
    auto* bridge = new BridgeService(shared);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    grpc::ResourceQuota quota("gantry-buildkit");
    quota.SetMaxThreads(most_threads);
    builder.SetResourceQuota(quota);
    builder.SetMaxReceiveMessageSize(most_message);
    builder.RegisterService(control);
    builder.RegisterService(bridge);
    grpc::Server* server = builder.BuildAndStart().release();
    if (!server) return fail(Code::internal, "gRPC does not start");
    shared.last_call_ns = monotonic_ns();
    auto quiet_ms = [&] { return static_cast<int>((monotonic_ns() - shared.last_call_ns) / 1'000'000); };
    for (;;) {
        auto message = line.receive(std::max(100, settings.idle_ms - quiet_ms()));
        if (!message && message.error().code == Code::deadline) {
            shared.sessions.sweep();
            const bool busy = shared.calls > 0 || shared.sessions.count() > 0;
            if (!busy && quiet_ms() >= settings.idle_ms) return {};
            if (busy) shared.last_call_ns = monotonic_ns();
            continue;
        }
        if (!message && message.error().code == Code::not_found) return {};
        if (!message) return std::move(message).error();
        shared.last_call_ns = monotonic_ns();
        Json answer{{"type", "taken"}};
        if (auto taken = take(*message, *server, shared); !taken)
            answer = {{"type", "refused"}, {"message", taken.error().text}};
        if (auto number = message->body.find("number"); number != message->body.end()) answer["number"] = *number;
        GANTRY_CHECK(line.send(answer));
    }
}

}  // namespace gantry::buildkit
