#include "core/base/text.hpp"
#include "core/buildkit/services.hpp"
#include "core/buildkit/source_detail.hpp"

namespace gantry::buildkit {
namespace {

namespace api = moby::buildkit::v1;

constexpr int come_ms = 10'000;  // one call of a client names what another one brings
constexpr std::size_t most_events = 500;

template <typename Map>
std::map<std::string, std::string> map_of(const Map& map) {
    return {map.begin(), map.end()};
}

template <typename List>
std::vector<Typed> typed(const List& list) {
    std::vector<Typed> out;
    for (const auto& item : list) out.push_back({item.type(), map_of(item.attrs())});
    return out;
}

void set_time(google::protobuf::Timestamp* time, std::int64_t ns) {
    time->set_seconds(ns / 1'000'000'000);
    time->set_nanos(static_cast<std::int32_t>(ns % 1'000'000'000));
}

void add(api::StatusResponse& to, const VertexEvent& event) {
    auto* vertex = to.add_vertexes();
    vertex->set_digest(event.digest);
    vertex->set_name(event.name);
    vertex->set_cached(event.cached);
    vertex->set_error(event.error);
    if (event.started_ns != 0) set_time(vertex->mutable_started(), event.started_ns);
    if (event.completed_ns != 0) set_time(vertex->mutable_completed(), event.completed_ns);
}

void add(api::StatusResponse& to, const StatusEvent& event) {
    auto* status = to.add_statuses();
    status->set_id(event.id);
    status->set_vertex(event.vertex);
    status->set_current(event.current);
    status->set_total(event.total);
    set_time(status->mutable_timestamp(), event.timestamp_ns);
    if (event.started_ns != 0) set_time(status->mutable_started(), event.started_ns);
    if (event.completed_ns != 0) set_time(status->mutable_completed(), event.completed_ns);
}

void add(api::StatusResponse& to, const LogEvent& event) {
    auto* log = to.add_logs();
    log->set_vertex(event.vertex);
    log->set_stream(event.stream);
    log->set_msg(event.bytes);
    set_time(log->mutable_timestamp(), event.timestamp_ns);
}

void add(api::StatusResponse& to, const WarningEvent& event, const std::pair<std::string, std::string>& source) {
    auto* warning = to.add_warnings();
    warning->set_vertex(event.vertex);
    warning->set_level(1);
    std::string text = event.rule.empty() ? event.message : event.rule + ": " + event.message;
    if (event.first > 0) text += " (line " + std::to_string(event.first) + ")";
    warning->set_short_(text);
    if (event.first <= 0) return;
    warning->mutable_info()->set_filename(source.first);
    warning->mutable_info()->set_data(source.second);
    auto* range = warning->add_ranges();
    range->mutable_start()->set_line(event.first);
    range->mutable_end()->set_line(event.last);
}

// What is asked for and is not here, before anything is begun.
Result<void> check(const api::SolveRequest& request) {
    if (request.ref().empty() || request.ref().size() > 128)
        return fail(Code::invalid, "a build's reference has 1 to 128 characters");
    if (!request.definition().empty())
        return fail(Code::unsupported, "a build of LLB is not supported, allowed: the front end dockerfile.v0");
    if (!request.frontend().empty() && request.frontend() != "dockerfile.v0")
        return fail(Code::unsupported, "front end " + quote_json(request.frontend().substr(0, 100)) +
                                           " is not supported, allowed: dockerfile.v0");
    if (request.frontend_inputs_size() > 0)
        return fail(Code::unsupported, "inputs of a build that are LLB are not supported");
    if (!request.source_policy().empty()) return fail(Code::unsupported, "source policies are not supported");
    if (!request.cache().export_ref_deprecated().empty() || request.cache().import_refs_deprecated_size() > 0)
        return fail(Code::unsupported, "caches as clients before BuildKit 0.4 name them are not supported");
    return {};
}

grpc::Status failed(const Failure& failure) {
    if (failure.cancelled) return {grpc::StatusCode::CANCELLED, "context canceled"};
    if (!failure.details.empty())
        return {static_cast<grpc::StatusCode>(failure.code), failure.message, failure.details};
    if (failure.first <= 0 || failure.source.empty()) return {grpc::StatusCode::UNKNOWN, failure.message};
    api::ErrorStatus status;
    status.set_code(grpc::StatusCode::UNKNOWN);
    status.set_message(failure.message);
    auto* detail = status.add_details();
    detail->set_type_url(source_detail_type);
    detail->set_value(
        source_detail(failure.file_name, failure.source, failure.first, std::max(failure.first, failure.last)));
    return {grpc::StatusCode::UNKNOWN, failure.message, status.SerializeAsString()};
}

}  // namespace

grpc::Status status_of(const Error& error) {
    switch (error.code) {
    case Code::cancelled: return {grpc::StatusCode::CANCELLED, error.text};
    case Code::not_found: return {grpc::StatusCode::NOT_FOUND, error.text};
    default: return {grpc::StatusCode::UNKNOWN, error.text};
    }
}

void describe_worker(const Shared& shared, api::WorkerRecord* record) {
    record->set_id("gantry");
    (*record->mutable_labels())["org.mobyproject.buildkit.worker.executor"] = "gantry";
    auto* platform = record->add_platforms();
    platform->set_os("linux");
    platform->set_architecture(shared.architecture);
    record->mutable_buildkit_version()->set_package("gantry");
    record->mutable_buildkit_version()->set_version(shared.version);
}

grpc::Status ControlService::Solve(grpc::ServerContext* context, const api::SolveRequest* request,
                                   api::SolveResponse* response) {
    const Call call(shared_);
    if (auto good = check(*request); !good) return status_of(good.error());
    SolveWish wish;
    wish.exporters = typed(request->exporters());
    if (wish.exporters.empty() && !request->exporter_deprecated().empty())
        wish.exporters.push_back({request->exporter_deprecated(), map_of(request->exporter_attrs_deprecated())});
    wish.cache_to = typed(request->cache().exports());
    wish.entitlements.assign(request->entitlements().begin(), request->entitlements().end());
    if (auto names = image_names(wish.exporters); !names) return status_of(names.error());
    std::optional<Asked> asked;
    if (!request->frontend().empty())
        asked = Asked{map_of(request->frontend_attrs()), typed(request->cache().imports())};
    auto build = shared_.builds.add(request->ref(), std::move(wish), request->session());
    if (!build) return status_of(build.error());
    Failure failure;
    auto built = (*build)->run(
        std::move(asked), shared_.sessions, [this] { return shared_.engine.open_build(); },
        [context] { return context->IsCancelled(); }, &failure);
    shared_.builds.ended(request->ref());
    if (!built) return failed(failure);
    for (const auto& [key, value] : *built) (*response->mutable_exporter_response())[key] = value;
    return grpc::Status::OK;
}

grpc::Status ControlService::Status(grpc::ServerContext* context, const api::StatusRequest* request,
                                    grpc::ServerWriter<api::StatusResponse>* writer) {
    const Call call(shared_);
    const std::function<bool()> cancelled = [context] { return context->IsCancelled(); };
    auto build = shared_.builds.find(request->ref(), come_ms, cancelled);
    if (!build) return status_of(build.error());
    if (!(*build)->watch()) return status_of(fail(Code::busy, "somebody watches this build already"));
    grpc::Status end = grpc::Status::OK;
    for (bool more = true; more;) {
        auto events = (*build)->next(cancelled);
        if (!events) {
            end = status_of(events.error());
            break;
        }
        if (events->empty()) break;
        for (std::size_t at = 0; more && at < events->size();) {
            api::StatusResponse some;
            std::size_t bytes = 0;
            for (std::size_t n = 0; n < most_events && bytes < (1u << 20) && at < events->size(); ++n, ++at) {
                std::visit(
                    [&](const auto& event) {
                        using Kind = std::decay_t<decltype(event)>;
                        if constexpr (std::is_same_v<Kind, WarningEvent>)
                            add(some, event, (*build)->source());
                        else
                            add(some, event);
                        if constexpr (std::is_same_v<Kind, LogEvent>) bytes += event.bytes.size();
                    },
                    (*events)[at]);
            }
            more = writer->Write(some);
        }
    }
    (*build)->stop_watching();
    return end;
}

grpc::Status ControlService::ListWorkers(grpc::ServerContext*, const api::ListWorkersRequest*,
                                         api::ListWorkersResponse* response) {
    const Call call(shared_);
    describe_worker(shared_, response->add_record());
    return grpc::Status::OK;
}

grpc::Status ControlService::Info(grpc::ServerContext*, const api::InfoRequest*, api::InfoResponse* response) {
    const Call call(shared_);
    response->mutable_buildkit_version()->set_package("gantry");
    response->mutable_buildkit_version()->set_version(shared_.version);
    return grpc::Status::OK;
}

}  // namespace gantry::buildkit
