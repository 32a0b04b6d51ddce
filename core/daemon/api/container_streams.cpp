// Routes of a container that answer for long: wait and stats. Logs and attach have files of their own.
#include <condition_variable>
#include <optional>
#include <thread>

#include "core/daemon/api/containers.hpp"

namespace gantry::daemon {
namespace {

using container::ContainerService;
using Reply = std::shared_ptr<http::Responder>;

void wait_for(ContainerService& service, const http::Request& request, const Reply& reply) {
    std::string word = request.query_value("condition");
    container::WaitCondition condition = container::WaitCondition::not_running;
    if (word == "next-exit")
        condition = container::WaitCondition::next_exit;
    else if (word == "removed")
        condition = container::WaitCondition::removed;
    else if (!word.empty() && word != "not-running")
        return reply->error(
            fail(Code::invalid, "invalid condition: \"" + word + "\", allowed: not-running, next-exit, removed"));
    auto id = service.id_of(request.parameter("id"));
    if (!id) return reply->error(id.error());
    // Registered first; then the head goes out at once: clients start the container when they have it.
    struct Pending {
        std::mutex mutex;
        std::shared_ptr<http::Stream> stream;
        std::optional<Json> answer;
        void finish() {  // the caller holds mutex
            if (!stream || !answer) return;
            (void)stream->write(answer->dump() + "\n");
            stream.reset();
        }
    };
    auto pending = std::make_shared<Pending>();
    auto number = service.wait(*id, condition, [pending](int exit_code, const std::string& error) {
        std::lock_guard lock(pending->mutex);
        pending->answer = Json{{"StatusCode", exit_code}};
        if (!error.empty()) (*pending->answer)["Error"] = {{"Message", error}};
        pending->finish();
    });
    if (!number) return reply->error(number.error());
    auto stream = reply->stream(200, "application/json");
    stream->on_client_gone([&service, id = *id, number = *number, weak = std::weak_ptr(pending)] {
        service.cancel_wait(id, number);
        if (auto gone = weak.lock()) {
            std::lock_guard guard(gone->mutex);
            gone->stream.reset();
        }
    });
    std::lock_guard lock(pending->mutex);
    pending->stream = std::move(stream);
    pending->finish();
}

// One figure a second until the client or the container goes.
void stream_stats(ContainerService& service, const std::string& id, std::shared_ptr<http::Stream> stream) {
    struct Gate {
        std::mutex mutex;
        std::condition_variable changed;
        bool gone = false;
    };
    auto gate = std::make_shared<Gate>();
    stream->on_client_gone([gate] {
        std::lock_guard lock(gate->mutex);
        gate->gone = true;
        gate->changed.notify_all();
    });
    service.run_beside([&service, id, stream, gate] {
        Json before;
        for (;;) {
            auto figures = service.stats(id);
            if (!figures) return;
            (*figures)["precpu_stats"] =
                before.is_null()
                    ? Json{{"cpu_usage", {{"total_usage", 0}, {"usage_in_kernelmode", 0}, {"usage_in_usermode", 0}}},
                           {"throttling_data", Json::object()}}
                    : before["cpu_stats"];
            if (!before.is_null()) (*figures)["preread"] = before["read"];
            if (!stream->write(figures->dump() + "\n")) return;
            before = std::move(*figures);
            std::unique_lock lock(gate->mutex);
            if (gate->changed.wait_for(lock, std::chrono::seconds(1), [&] { return gate->gone; })) return;
        }
    });
}

void stats(ContainerService& service, const http::Request& request, const Reply& reply) {
    auto id = service.id_of(request.parameter("id"));
    if (!id) return reply->error(id.error());
    auto first = service.stats(*id);
    if (!first) return reply->error(first.error());
    const bool streams = request.query_flag("stream", true);
    if (streams && request.query_flag("one-shot"))
        return reply->error(fail(Code::invalid, "cannot have stream=true and one-shot=true"));
    if (streams) return stream_stats(service, *id, reply->stream(200, "application/json"));
    (*first)["precpu_stats"] = {
        {"cpu_usage", {{"total_usage", 0}, {"usage_in_kernelmode", 0}, {"usage_in_usermode", 0}}},
        {"throttling_data", Json::object()}};
    if (request.query_flag("one-shot")) return reply->json(200, *first);
    // Docker's answer has two readings a second apart, so that a percentage can be made of it.
    std::this_thread::sleep_for(std::chrono::seconds(1));
    auto second = service.stats(*id);
    if (!second) return reply->error(second.error());
    (*second)["precpu_stats"] = (*first)["cpu_stats"];
    (*second)["preread"] = (*first)["read"];
    reply->json(200, *second);
}

}  // namespace

void register_container_streams(http::Router& router, ContainerService& service) {
    router.add("POST", "/containers/{id}/wait",
               [&](http::Request request, Reply reply) { wait_for(service, request, reply); });
    router.add(
        "GET", "/containers/{id}/stats", [&](http::Request request, Reply reply) { stats(service, request, reply); },
        http::Body::none);
}

}  // namespace gantry::daemon
