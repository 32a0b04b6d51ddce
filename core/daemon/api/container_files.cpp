// A container's files: archive (cp), export and commit.
#include "core/base/base64.hpp"
#include "core/base/text.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/archive_reply.hpp"
#include "core/daemon/api/body.hpp"
#include "core/daemon/api/containers.hpp"

namespace gantry::daemon {
namespace {

using container::ContainerService;

std::map<std::string, std::string> stat_header(const Json& stat) {
    return {{"X-Docker-Container-Path-Stat", to_base64(stat.dump(-1, ' ', false, Json::error_handler_t::replace))}};
}

void get_archive(ContainerService& service, const http::Request& request, const Reply& reply) {
    ArchiveReply archive(reply);
    archive.end(service.read_archive(request.parameter("id"), request.query_value("path"),
                                     [&](const Json& stat) { return archive.begin(stat_header(stat)); }));
}

Result<std::string> commit(ContainerService& service, const http::Request& request) {
    const std::string container = request.query_value("container");
    if (container.empty()) return fail(Code::invalid, "\"container\" is not given");
    // Docker's client sends null where nothing is to differ from the container.
    Json body = Json::object();
    if (trim(request.body) != "null") {
        GANTRY_TRY(body, read_body(request, config_shape()));
    }
    ContainerService::CommitWish wish;
    wish.repository = request.query_value("repo");
    wish.tag = request.query_value("tag");
    wish.comment = request.query_value("comment");
    wish.author = request.query_value("author");
    wish.pause = request.query_value("pause").empty() || request.query_flag("pause");
    for (auto [at, end] = request.query.equal_range("changes"); at != end; ++at)
        for (std::string_view line : split(at->second, '\n'))
            if (!trim(line).empty()) wish.changes.emplace_back(line);
    return service.commit(container, wish, body);
}

}  // namespace

void register_container_files(http::Router& router, ContainerService& service) {
    router.add(
        "HEAD", "/containers/{id}/archive",
        [&service](http::Request request, Reply reply) {
            auto stat = service.stat_path(request.parameter("id"), request.query_value("path"));
            if (!stat) return reply->error(stat.error());
            reply->text(200, "application/json", "", stat_header(*stat));
        },
        http::Body::none);
    router.add(
        "GET", "/containers/{id}/archive",
        [&service](http::Request request, Reply reply) { get_archive(service, request, reply); }, http::Body::none);
    router.add(
        "PUT", "/containers/{id}/archive",
        [&service](http::Request request, Reply reply) {
            ContainerService::CopyOptions wish;
            wish.keep_kinds = request.query_flag("noOverwriteDirNonDir");
            wish.container_owner = request.query_flag("copyUIDGID");
            answer(reply,
                   service.write_archive(request.parameter("id"), request.query_value("path"),
                                         request.body_stream.get(), wish),
                   200);
        },
        http::Body::streamed);
    router.add(
        "GET", "/containers/{id}/export",
        [&service](http::Request request, Reply reply) {
            ArchiveReply archive(reply);
            archive.end(service.export_root(request.parameter("id"), [&](const Json&) { return archive.begin(); }));
        },
        http::Body::none);
    router.add("POST", "/commit", [&service](http::Request request, Reply reply) {
        auto id = commit(service, request);
        if (!id) return reply->error(id.error());
        reply->json(201, {{"Id", *id}});
    });
}

}  // namespace gantry::daemon
