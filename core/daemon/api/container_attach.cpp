// POST /containers/{id}/attach: the client's connection becomes the container's stdio.
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "core/daemon/api/attach_request.hpp"
#include "core/daemon/api/containers.hpp"
#include "core/daemon/api/log_frames.hpp"
#include "core/daemon/api/parameters.hpp"

namespace gantry::daemon {
namespace {

using container::ContainerService;

constexpr std::size_t log_batch = 64 << 10;
constexpr timeval log_patience{60, 0};

bool send_all(int socket, std::string_view data) {
    while (!data.empty()) {
        const ssize_t sent = ::send(socket, data.data(), data.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        data.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

void attach(ContainerService& service, const http::Request& request, const std::shared_ptr<http::Responder>& reply) {
    auto wish = read_attach(service, request);
    if (!wish) return reply->error(wish.error());
    auto log = open_log(service, *wish);
    if (!log) return reply->error(log.error());
    if (wish->stream)
        if (auto begun = service.begin_attach(wish->id); !begun) return reply->error(begun.error());
    auto connection = reply->hijack(wish->terminal ? "application/vnd.docker.raw-stream"
                                                   : "application/vnd.docker.multiplexed-stream");
    const bool there = connection && (!*log || write_log(**log, connection->socket.get(), wish->terminal));
    if (!wish->stream) return;
    if (!there) return service.abandon_attach(wish->id);
    container::Monitor::Attachment attachment = wish->attachment();
    attachment.client = std::move(connection->socket);
    attachment.early = std::move(connection->early);
    (void)service.attach(wish->id, std::move(attachment));
}

}  // namespace

container::Monitor::Attachment AttachRequest::attachment() const {
    container::Monitor::Attachment made;
    made.in = in;
    made.out = out;
    made.error = error;
    made.detach_keys = detach_keys;
    return made;
}

Result<AttachRequest> read_attach(ContainerService& service, const http::Request& request) {
    AttachRequest wish;
    GANTRY_TRY(wish.id, service.id_of(request.parameter("id")));
    GANTRY_TRY(wish.terminal, service.has_terminal(wish.id));
    GANTRY_TRY(std::string keys, read_detach_keys(request.query_value("detachKeys")));
    if (wish.terminal) wish.detach_keys = std::move(keys);
    wish.logs = request.query_flag("logs");
    wish.stream = request.query_flag("stream");
    wish.in = request.query_flag("stdin") && wish.stream;
    wish.out = request.query_flag("stdout");
    wish.error = request.query_flag("stderr");
    return wish;
}

Result<std::unique_ptr<container::LogReader>> open_log(ContainerService& service, const AttachRequest& wish) {
    if (!wish.logs) return std::unique_ptr<container::LogReader>();
    GANTRY_TRY(auto source, service.log_source(wish.id));
    container::LogOptions options;
    options.out = wish.out;
    options.err = wish.error;
    return container::LogReader::open(source.directory, options);
}

bool write_log(container::LogReader& reader, int socket, bool raw) {
    // A client that does not read must not hold a worker for ever.
    (void)::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &log_patience, sizeof log_patience);
    std::string data;
    for (;;) {
        auto record = reader.next();
        const bool over = !record || !*record;
        if (!over) append_frame(&data, (*record)->stream, (*record)->text, raw);
        if ((over || data.size() >= log_batch) && !data.empty()) {
            if (!send_all(socket, data)) return false;
            data.clear();
        }
        if (over) break;
    }
    const timeval none{};
    (void)::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
    return true;
}

void register_container_attach(http::Router& router, ContainerService& service) {
    router.add("POST", "/containers/{id}/attach",
               [&](http::Request request, std::shared_ptr<http::Responder> reply) { attach(service, request, reply); });
    router.add(
        "GET", "/containers/{id}/attach/ws",
        [&](http::Request request, std::shared_ptr<http::Responder> reply) {
            attach_websocket(service, request, reply);
        },
        http::Body::none);
}

}  // namespace gantry::daemon
