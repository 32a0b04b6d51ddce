// A session that comes as a call of Control instead of a connection of its own: clients bring those that several builds share so.
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include <gantry/unique_fd.hpp>

#include "core/buildkit/services.hpp"

namespace gantry::buildkit {
namespace {

using SessionBytes = moby::buildkit::v1::BytesMessage;

constexpr std::size_t most_id = 128, chunk_bytes = 32u << 10;

std::string header(const grpc::ServerContext& context, const char* name) {
    const auto found = context.client_metadata().find(name);
    return found == context.client_metadata().end() ? "" : std::string(found->second.data(), found->second.size());
}

bool send_all(int socket, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

}  // namespace

grpc::Status ControlService::Session(grpc::ServerContext* context,
                                     grpc::ServerReaderWriter<SessionBytes, SessionBytes>* stream) {
    const Call call(shared_);
    const std::string id = header(*context, "x-docker-expose-session-uuid");
    if (id.empty() || id.size() > most_id)
        return status_of(fail(Code::invalid, "a session has an x-docker-expose-session-uuid of 1 to 128 characters"));
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return status_of(fail_errno("make a connection for a session"));
    UniqueFd ours(ends[0]), theirs(ends[1]);
    auto added = shared_.sessions.add(id, header(*context, "x-docker-expose-session-sharedkey"), std::move(theirs));
    if (!added) return status_of(added.error());
    std::thread from_client([&] {
        SessionBytes message;
        while (stream->Read(&message) && send_all(ours.get(), message.data())) {
        }
        ::shutdown(ours.get(), SHUT_RDWR);  // ends what waits for an answer, too
    });
    SessionBytes message;
    std::string chunk(chunk_bytes, '\0');
    for (;;) {
        const ssize_t length = ::recv(ours.get(), chunk.data(), chunk.size(), 0);
        if (length < 0 && errno == EINTR) continue;
        if (length <= 0) break;
        message.set_data(chunk.data(), static_cast<std::size_t>(length));
        if (!stream->Write(message)) break;
    }
    ::shutdown(ours.get(), SHUT_RDWR);
    context->TryCancel();
    from_client.join();
    return grpc::Status::OK;
}

}  // namespace gantry::buildkit
