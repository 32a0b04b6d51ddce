#include "core/base/text.hpp"
#include "core/buildkit/services.hpp"

namespace gantry::buildkit {
namespace {

namespace gateway = moby::buildkit::v1::frontend;

// Calls of a build function say by this which build they belong to.
constexpr const char* build_header = "buildkit-controlapi-buildid";
constexpr int build_wait_ms = 10'000;

// What a build function may rely on; a client keeps to these.
constexpr const char* abilities[] = {"solve.base",      "return",
                                     "returnmap",       "proto.refarray",
                                     "importcaches",    "gateway.solve.evaluate",
                                     "frontend.inputs", "gateway.solve.metadata"};

}  // namespace

Result<std::shared_ptr<Build>> BridgeService::build_of(grpc::ServerContext& context) {
    const auto& metadata = context.client_metadata();
    auto found = metadata.find(build_header);
    if (found == metadata.end()) return fail(Code::invalid, std::string("the call has no ") + build_header);
    const std::string name(found->second.data(), found->second.size());
    return shared_.builds.find(name, build_wait_ms, [&context] { return context.IsCancelled(); });
}

grpc::Status BridgeService::Ping(grpc::ServerContext* context, const gateway::PingRequest*,
                                 gateway::PongResponse* response) {
    const Call call(shared_);
    if (auto build = build_of(*context); !build) return status_of(build.error());
    for (const char* ability : abilities) {
        auto* told = response->add_frontend_capabilities();
        told->set_id(ability);
        told->set_enabled(true);
    }
    // None of LLB: an empty list would stand for a builder from before there was one.
    auto* none = response->add_llb_capabilities();
    none->set_id("gantry");
    none->set_enabled(true);
    describe_worker(shared_, response->add_workers());
    return grpc::Status::OK;
}

grpc::Status BridgeService::Solve(grpc::ServerContext* context, const gateway::SolveRequest* request,
                                  gateway::SolveResponse* response) {
    const Call call(shared_);
    auto build = build_of(*context);
    if (!build) return status_of(build.error());
    if (!request->definition().empty() || request->frontend_inputs_size() > 0)
        return status_of(
            fail(Code::unsupported, "a build of LLB is not supported, allowed: the front end dockerfile.v0"));
    if (request->frontend() != "dockerfile.v0")
        return status_of(fail(Code::unsupported, "front end " + quote_json(request->frontend().substr(0, 100)) +
                                                     " is not supported, allowed: dockerfile.v0"));
    if (request->source_policies_size() > 0)
        return status_of(fail(Code::unsupported, "source policies are not supported"));
    Asked asked{{request->frontend_opt().begin(), request->frontend_opt().end()}, {}};
    for (const auto& entry : request->cache_imports())
        asked.cache_from.push_back({entry.type(), {entry.attrs().begin(), entry.attrs().end()}});
    // What is wrong with it is said at once.
    if (auto read = read_wish(asked.attributes, SolveWish{{}, {}, asked.cache_from, {}}, ""); !read)
        return status_of(read.error());
    auto name = (*build)->ask(std::move(asked));
    if (!name) return status_of(name.error());
    response->mutable_result()->mutable_ref()->set_id(*name);
    return grpc::Status::OK;
}

grpc::Status BridgeService::Return(grpc::ServerContext* context, const gateway::ReturnRequest* request,
                                   gateway::ReturnResponse*) {
    const Call call(shared_);
    auto build = build_of(*context);
    if (!build) return status_of(build.error());
    if (request->has_error()) {
        Failure failure;
        failure.message = request->error().message();
        failure.cancelled = request->error().code() == grpc::StatusCode::CANCELLED;
        failure.details = request->error().SerializeAsString();
        failure.code = request->error().code();
        (*build)->give_up(std::move(failure));
        return grpc::Status::OK;
    }
    const gateway::Result& result = request->result();
    if (result.attestations_size() > 0) {
        const Error error = fail(Code::unsupported, "attestations are not supported");
        Failure failure;
        failure.message = error.text;
        (*build)->give_up(std::move(failure));
        return status_of(error);
    }
    std::string name;
    if (result.has_ref())
        name = result.ref().id();
    else if (result.result_case() == gateway::Result::kRefDeprecated)
        name = result.ref_deprecated();
    else if (result.has_refs() || result.has_refs_deprecated()) {
        const Error error = fail(Code::unsupported, "several results of one build are not supported over BuildKit");
        Failure failure;
        failure.message = error.text;
        (*build)->give_up(std::move(failure));
        return status_of(error);
    }
    if (auto given = (*build)->give_back(name); !given) return status_of(given.error());
    return grpc::Status::OK;
}

grpc::Status BridgeService::Inputs(grpc::ServerContext* context, const gateway::InputsRequest*,
                                   gateway::InputsResponse*) {
    const Call call(shared_);
    // There are none: a solve with inputs is refused.
    if (auto build = build_of(*context); !build) return status_of(build.error());
    return grpc::Status::OK;
}

}  // namespace gantry::buildkit
