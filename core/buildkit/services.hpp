// The calls of a BuildKit client: moby.buildkit.v1.Control, and the LLBBridge of a client's own build function.
#pragma once
#include <grpcpp/grpcpp.h>

#include <atomic>

#include "control.grpc.pb.h"
#include "core/base/clock.hpp"
#include "core/buildkit/build.hpp"
#include "core/buildkit/engine_line.hpp"
#include "gateway.grpc.pb.h"

namespace gantry::buildkit {

// What both services work with; outlives them.
struct Shared {
    Sessions sessions;
    Builds builds;
    EngineLine& engine;
    std::string version;                         // of the engine
    std::string architecture;                    // "amd64"
    std::atomic<int> calls = 0;                  // under way
    std::atomic<std::int64_t> last_call_ns = 0;  // when one began or ended
};

// A call, from its beginning to its end.
class Call {
public:
    explicit Call(Shared& shared) : shared_(shared) {
        ++shared_.calls;
        shared_.last_call_ns = monotonic_ns();
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
        shared_.last_call_ns = monotonic_ns();
        --shared_.calls;
    }

private:
    Shared& shared_;
};

class ControlService final : public moby::buildkit::v1::Control::Service {
public:
    explicit ControlService(Shared& shared) : shared_(shared) {}
    grpc::Status Solve(grpc::ServerContext* context, const moby::buildkit::v1::SolveRequest* request,
                       moby::buildkit::v1::SolveResponse* response) override;
    grpc::Status Status(grpc::ServerContext* context, const moby::buildkit::v1::StatusRequest* request,
                        grpc::ServerWriter<moby::buildkit::v1::StatusResponse>* writer) override;
    grpc::Status Session(
        grpc::ServerContext* context,
        grpc::ServerReaderWriter<moby::buildkit::v1::BytesMessage, moby::buildkit::v1::BytesMessage>* stream) override;
    grpc::Status ListWorkers(grpc::ServerContext* context, const moby::buildkit::v1::ListWorkersRequest* request,
                             moby::buildkit::v1::ListWorkersResponse* response) override;
    grpc::Status DiskUsage(grpc::ServerContext* context, const moby::buildkit::v1::DiskUsageRequest* request,
                           moby::buildkit::v1::DiskUsageResponse* response) override;
    grpc::Status Prune(grpc::ServerContext* context, const moby::buildkit::v1::PruneRequest* request,
                       grpc::ServerWriter<moby::buildkit::v1::UsageRecord>* writer) override;
    grpc::Status Info(grpc::ServerContext* context, const moby::buildkit::v1::InfoRequest* request,
                      moby::buildkit::v1::InfoResponse* response) override;

private:
    Shared& shared_;
};

class BridgeService final : public moby::buildkit::v1::frontend::LLBBridge::Service {
public:
    explicit BridgeService(Shared& shared) : shared_(shared) {}
    grpc::Status Ping(grpc::ServerContext* context, const moby::buildkit::v1::frontend::PingRequest* request,
                      moby::buildkit::v1::frontend::PongResponse* response) override;
    grpc::Status Solve(grpc::ServerContext* context, const moby::buildkit::v1::frontend::SolveRequest* request,
                       moby::buildkit::v1::frontend::SolveResponse* response) override;
    grpc::Status Return(grpc::ServerContext* context, const moby::buildkit::v1::frontend::ReturnRequest* request,
                        moby::buildkit::v1::frontend::ReturnResponse* response) override;
    grpc::Status Inputs(grpc::ServerContext* context, const moby::buildkit::v1::frontend::InputsRequest* request,
                        moby::buildkit::v1::frontend::InputsResponse* response) override;

private:
    Result<std::shared_ptr<Build>> build_of(grpc::ServerContext& context);
    Shared& shared_;
};

// This machine as the one worker.
void describe_worker(const Shared& shared, moby::buildkit::v1::WorkerRecord* record);
// An error for the client: its text stands alone in the terminal.
grpc::Status status_of(const Error& error);

}  // namespace gantry::buildkit
