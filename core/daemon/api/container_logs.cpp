// GET /containers/{id}/logs: what a container has written, and with follow what it writes.
#include "core/base/clock.hpp"
#include "core/container/log_reader.hpp"
#include "core/daemon/api/containers.hpp"
#include "core/daemon/api/log_frames.hpp"
#include "core/daemon/api/parameters.hpp"

namespace gantry::daemon {
namespace {

using container::ContainerService;
using Reply = std::shared_ptr<http::Responder>;

Result<container::LogOptions> read_options(const http::Request& request) {
    container::LogOptions options;
    options.out = request.query_flag("stdout");
    options.err = request.query_flag("stderr");
    if (!options.out && !options.err) return fail(Code::invalid, "Bad parameters: you must choose at least one stream");
    GANTRY_TRY(options.since_ns, read_time(request.query_value("since")));
    GANTRY_TRY(options.until_ns, read_time(request.query_value("until")));
    std::string tail = request.query_value("tail");
    if (!tail.empty() && tail != "all") {
        GANTRY_TRY(auto number, read_number(request, "tail"));
        // Docker takes a negative number for "all".
        if (*number >= 0) options.tail = static_cast<std::size_t>(*number);
    }
    options.follow = request.query_flag("follow");
    options.timestamps = request.query_flag("timestamps");
    options.details = request.query_flag("details");
    return options;
}

void copy(container::LogReader& reader, http::Stream& stream, bool raw, bool follow) {
    constexpr std::size_t batch = 64 << 10;
    std::string data;
    for (;;) {
        auto record = reader.next();
        bool over = !record || !*record;
        if (!over) append_frame(&data, (*record)->stream, (*record)->text, raw);
        // With follow each record is sent as it comes: there may be no other for long.
        if ((over || follow || data.size() >= batch) && !data.empty()) {
            if (!stream.write(data)) return;
            data.clear();
        }
        if (over) return;
    }
}

void logs(ContainerService& service, const http::Request& request, const Reply& reply) {
    auto source = service.log_source(request.parameter("id"));
    if (!source) return reply->error(source.error());
    auto options = read_options(request);
    if (!options) return reply->error(options.error());
    if (!source->running) options->follow = false;
    auto opened = container::LogReader::open(source->directory, *options);
    if (!opened) return reply->error(opened.error());
    std::shared_ptr<container::LogReader> reader = std::move(*opened);
    auto stream = reply->stream(
        200, source->terminal ? "application/vnd.docker.raw-stream" : "application/vnd.docker.multiplexed-stream");
    if (!options->follow) return copy(*reader, *stream, source->terminal, false);
    auto number = service.wait(source->id, container::WaitCondition::not_running,
                               [weak = std::weak_ptr(reader)](int, const std::string&) {
                                   if (auto alive = weak.lock()) alive->ended();
                               });
    if (!number) reader->ended();
    stream->on_client_gone([weak = std::weak_ptr(reader)] {
        if (auto alive = weak.lock()) alive->stop();
    });
    service.run_beside(
        [&service, id = source->id, waiting = number ? *number : 0, reader, stream, raw = source->terminal] {
            copy(*reader, *stream, raw, true);
            service.cancel_wait(id, waiting);
        });
}

}  // namespace

void register_container_logs(http::Router& router, ContainerService& service) {
    router.add(
        "GET", "/containers/{id}/logs", [&](http::Request request, Reply reply) { logs(service, request, reply); },
        http::Body::none);
}

}  // namespace gantry::daemon
