// What attach is asked for, by POST or over a websocket.
#pragma once
#include "core/container/log_reader.hpp"
#include "core/container/service.hpp"
#include "core/daemon/http/http.hpp"

namespace gantry::daemon {

struct AttachRequest {
    std::string id;
    bool terminal = false;
    bool logs = false;    // what was written so far comes first
    bool stream = false;  // then what is written
    bool in = false, out = false, error = false;
    std::string detach_keys;  // as bytes; "" without a terminal

    container::Monitor::Attachment attachment() const;
};

// GANTRY_NOT_FOUND: no such container; GANTRY_INVALID: detachKeys is not understood.
Result<AttachRequest> read_attach(container::ContainerService& service, const http::Request& request);

// The log so far, of the streams that are wanted, as a client is to get it; null where it asks for none. To be called before the connection is taken over:
// GANTRY_UNSUPPORTED where the container's log cannot be read.
Result<std::unique_ptr<container::LogReader>> open_log(container::ContainerService& service, const AttachRequest& wish);
// Writes it to a blocking socket; false: the client has gone, or takes nothing for a minute.
bool write_log(container::LogReader& reader, int socket, bool raw);

// GET /containers/{id}/attach/ws.
void attach_websocket(container::ContainerService& service, const http::Request& request,
                      const std::shared_ptr<http::Responder>& reply);

}  // namespace gantry::daemon
