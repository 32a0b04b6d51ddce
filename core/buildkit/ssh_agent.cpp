#include "core/buildkit/ssh_agent.hpp"

#include <grpcpp/grpcpp.h>

#include "core/base/text.hpp"
#include "core/buildkit/file_stat.hpp"
#include "ssh.grpc.pb.h"

namespace gantry::buildkit {
namespace {

using moby::sshforward::v1::BytesMessage;
constexpr int check_seconds = 60;

class ForwardedAgent final : public SshAgent {
public:
    ForwardedAgent(ClientSession& session, const std::string& id) {
        context_.AddMetadata("buildkit.ssh.id", id);
        call_ = moby::sshforward::v1::SSH::NewStub(session.channel())->ForwardAgent(&context_);
    }
    ~ForwardedAgent() override { context_.TryCancel(); }
    bool write(std::string_view bytes) override {
        BytesMessage message;
        message.set_data(std::string(bytes));
        return call_->Write(message);
    }
    void read(const std::function<bool(std::string_view)>& data) override {
        BytesMessage message;
        while (call_->Read(&message) && data(message.data())) {
        }
    }
    void end() override { context_.TryCancel(); }

private:
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReaderWriter<BytesMessage, BytesMessage>> call_;
};

}  // namespace

Result<std::shared_ptr<SshAgent>> SshAgent::open(ClientSession& session, const std::string& id) {
    if (header_values({id}).second) return std::shared_ptr<SshAgent>();
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(check_seconds));
    moby::sshforward::v1::CheckAgentRequest request;
    request.set_id(id);
    moby::sshforward::v1::CheckAgentResponse answer;
    const grpc::Status status =
        moby::sshforward::v1::SSH::NewStub(session.channel())->CheckAgent(&context, request, &answer);
    // A client says of one that it has not no more than that this is an error.
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED || status.error_code() == grpc::StatusCode::UNKNOWN)
        return std::shared_ptr<SshAgent>();
    if (!status.ok())
        return fail(Code::cancelled,
                    "SSH agent " + quote_json(id.substr(0, 200)) + ": " + status.error_message().substr(0, 2000));
    return std::shared_ptr<SshAgent>(std::make_shared<ForwardedAgent>(session, id));
}

}  // namespace gantry::buildkit
