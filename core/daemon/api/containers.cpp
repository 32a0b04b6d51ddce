#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/containers.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "core/base/text.hpp"
#include "core/daemon/api/body.hpp"
#include "core/daemon/api/old_versions.hpp"
#include "core/daemon/api/parameters.hpp"
#include "core/image/registry/platform.hpp"

namespace gantry::daemon {
namespace {

using container::ContainerService;

// 304: it was so already.
void answer(const Reply& reply, const Result<container::Done>& result) {
    if (!result) return reply->error(result.error());
    reply->empty(*result == container::Done::changed ? 204 : 304);
}

// A body was a host configuration before 1.24; nobody is attached by a start, so that the keys are only looked at.
Result<void> check_start(const http::Request& request) {
    if (request.body.size() > 7)
        return fail(
            Code::invalid,
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24");
    if (!request.query_value("checkpoint").empty() || !request.query_value("checkpoint-dir").empty())
        return fail(Code::invalid, "checkpoints are not supported, so a container cannot be started from one");
    GANTRY_CHECK(read_detach_keys(request.query_value("detachKeys")));
    return {};
}

struct TerminalSize {
    int rows, columns;
};

Result<TerminalSize> read_size(const http::Request& request) {
    const auto rows = read_number(request, "h"), columns = read_number(request, "w");
    for (const auto& one : {rows, columns})
        if (!one || !*one || **one < 0 || **one > 65535)
            return fail(Code::invalid, "the size of a terminal is \"h\" and \"w\", each a number of 0 to 65535");
    return TerminalSize{**rows, **columns};
}

// Where a platform is asked for, the image here must be for it.
Result<void> check_platform(image::ImageStore& images, const http::Request& request, const Json& body) {
    const std::string text = request.query_value("platform");
    if (text.empty()) return {};
    namespace registry = image::registry;
    GANTRY_TRY(registry::Platform wanted, registry::parse_platform(text));
    const std::string name = body.value("Image", "");
    auto image = images.find(name);
    if (!image) return {};  // said in its place
    const registry::Platform offered = registry::platform_of((*image)->config);
    if (registry::fitness(wanted, offered) != 0) return {};
    return fail(Code::not_found, "image with reference " + name +
                                     " was found but does not provide the specified platform (" + wanted.text() +
                                     "): it is for " + offered.text());
}

void list(ContainerService& service, const http::Request& request, const Reply& reply) {
    auto filters = read_filters(request);
    if (!filters) return reply->error(filters.error());
    auto limit = read_number(request, "limit");
    if (!limit) return reply->error(limit.error());
    const bool all = request.query_flag("all"), size = request.query_flag("size");
    if (filters->empty() && !size)
        return reply->shared_text(200, "application/json", service.list_text(all, limit->value_or(0)));
    gantry::daemon::answer(reply, service.list(all, limit->value_or(0), size, *filters));
}

}  // namespace

void register_containers(http::Router& router, ContainerService& service, image::ImageStore& images) {
    router.add(
        "GET", "/containers/json", [&](http::Request request, Reply reply) { list(service, request, reply); },
        http::Body::none);

    router.add("POST", "/containers/create", [&](http::Request request, Reply reply) {
        auto body = read_body(request, create_shape());
        if (!body) return reply->error(body.error());
        if (auto fits = check_platform(images, request, *body); !fits) return reply->error(fits.error());
        answer(reply, service.create(request.query_value("name"), *body), 201);
    });

    router.add(
        "GET", "/containers/{id}/json",
        [&](http::Request request, Reply reply) {
            auto found = service.inspect(request.parameter("id"), request.query_flag("size"));
            if (found) fit_container(*found, request.version_number());
            answer(reply, found);
        },
        http::Body::none);

    router.add("POST", "/containers/{id}/start", [&](http::Request request, Reply reply) {
        if (auto sound = check_start(request); !sound) return reply->error(sound.error());
        answer(reply, service.start(request.parameter("id")));
    });

    auto timed = [&service](auto operation) {
        return [&service, operation](http::Request request, Reply reply) {
            auto timeout = read_number(request, "t");
            if (!timeout) return reply->error(timeout.error());
            answer(reply, (service.*operation)(request.parameter("id"), request.query_value("signal"), *timeout));
        };
    };
    router.add("POST", "/containers/{id}/stop", timed(&ContainerService::stop));
    router.add("POST", "/containers/{id}/restart", timed(&ContainerService::restart));

    router.add("POST", "/containers/{id}/kill", [&](http::Request request, Reply reply) {
        answer(reply, service.kill(request.parameter("id"), request.query_value("signal")));
    });
    router.add("POST", "/containers/{id}/pause",
               [&](http::Request request, Reply reply) { answer(reply, service.pause(request.parameter("id"))); });
    router.add("POST", "/containers/{id}/unpause",
               [&](http::Request request, Reply reply) { answer(reply, service.unpause(request.parameter("id"))); });
    router.add("POST", "/containers/{id}/rename", [&](http::Request request, Reply reply) {
        answer(reply, service.rename(request.parameter("id"), request.query_value("name")));
    });
    router.add("POST", "/containers/{id}/update", [&](http::Request request, Reply reply) {
        auto body = read_body(request, update_shape());
        if (!body) return reply->error(body.error());
        answer(reply, service.update(request.parameter("id"), *body));
    });
    router.add("DELETE", "/containers/{id:*}", [&](http::Request request, Reply reply) {
        if (request.query_flag("link")) return answer(reply, service.remove_link(request.parameter("id")));
        answer(reply, service.remove(request.parameter("id"), request.query_flag("v"), request.query_flag("force")));
    });

    router.add(
        "GET", "/containers/{id}/top",
        [&](http::Request request, Reply reply) {
            answer(reply, service.top(request.parameter("id"), request.query_value("ps_args")));
        },
        http::Body::none);
    router.add(
        "GET", "/containers/{id}/changes",
        [&](http::Request request, Reply reply) { answer(reply, service.changes(request.parameter("id"))); },
        http::Body::none);

    router.add("POST", "/containers/{id}/resize", [&](http::Request request, Reply reply) {
        auto size = read_size(request);
        if (!size) return reply->error(size.error());
        answer(reply, service.resize(request.parameter("id"), size->rows, size->columns), 200);
    });
}

void register_exec(http::Router& router, ContainerService& service) {
    router.add("POST", "/containers/{id}/exec", [&](http::Request request, Reply reply) {
        auto body = read_body(request, exec_shape());
        if (!body) return reply->error(body.error());
        auto id = service.exec_create(request.parameter("id"), *body);
        if (!id) return reply->error(id.error());
        reply->json(201, {{"Id", *id}});
    });

    router.add("POST", "/exec/{id}/start", [&](http::Request request, Reply reply) {
        auto body = read_body(request, exec_start_shape());
        if (!body) return reply->error(body.error());
        const std::string& id = request.parameter("id");
        auto inspected = service.exec_inspect(id);
        if (!inspected) return reply->error(inspected.error());
        if (body->value("Detach", false)) return answer(reply, service.exec_start(id, *body, std::nullopt), 200);
        container::Monitor::Attachment attachment;
        attachment.in = (*inspected)["OpenStdin"];
        attachment.out = (*inspected)["OpenStdout"];
        attachment.error = (*inspected)["OpenStderr"];
        bool terminal = (*inspected)["ProcessConfig"]["tty"];
        auto keys = read_detach_keys(
            (*inspected)["DetachKeys"].is_string() ? (*inspected)["DetachKeys"].get<std::string>() : "");
        if (!keys) return reply->error(keys.error());
        if (terminal) attachment.detach_keys = *keys;
        if ((*inspected)["Running"] == true || (*inspected)["CanRemove"] == true)
            return reply->error(fail(Code::conflict, "Error: Exec command " + id + " is already running"));
        auto connection =
            reply->hijack(terminal ? "application/vnd.docker.raw-stream" : "application/vnd.docker.multiplexed-stream");
        if (!connection) return;
        attachment.client = std::move(connection->socket);
        attachment.early = std::move(connection->early);
        UniqueFd held(::fcntl(attachment.client.get(), F_DUPFD_CLOEXEC, 3));
        // The connection is no longer HTTP: a failure is told in the stream, as Docker does.
        if (auto started = service.exec_start(id, *body, std::move(attachment)); !started) {
            std::string text = "OCI runtime exec failed: " + started.error().text + "\r\n";
            if (!terminal) {
                std::string frame{"\x02\0\0\0", 4};
                for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>((text.size() >> shift) & 0xff);
                text.insert(0, frame);
            }
            (void)!::write(held.get(), text.data(), text.size());
        }
    });

    router.add("POST", "/exec/{id}/resize", [&](http::Request request, Reply reply) {
        auto size = read_size(request);
        if (!size) return reply->error(size.error());
        answer(reply, service.exec_resize(request.parameter("id"), size->rows, size->columns), 200);
    });

    router.add(
        "GET", "/exec/{id}/json",
        [&](http::Request request, Reply reply) { answer(reply, service.exec_inspect(request.parameter("id"))); },
        http::Body::none, http::Run::reactor);
}

}  // namespace gantry::daemon
