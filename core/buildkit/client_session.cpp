#include "core/buildkit/client_session.hpp"

#include <fcntl.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>

#include "core/base/text.hpp"
#include "core/buildkit/image_name.hpp"
#include "filesync.grpc.pb.h"
#include "health.grpc.pb.h"
#include "secrets.grpc.pb.h"

namespace gantry::buildkit {
namespace {

constexpr int answer_seconds = 60;

void limit(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(answer_seconds));
}

Error failed(const std::string& what, const grpc::Status& status) {
    const Code code =
        status.error_code() == grpc::StatusCode::UNAVAILABLE || status.error_code() == grpc::StatusCode::CANCELLED
            ? Code::cancelled
            : Code::invalid;
    return fail(code, what + ": " + status.error_message().substr(0, 2000));
}

}  // namespace

ClientSession::ClientSession(std::string id, std::string shared_key, UniqueFd connection, std::function<void()> ended)
    : id_(std::move(id)), shared_key_(std::move(shared_key)), watching_(std::make_unique<grpc::ClientContext>()) {
    ::fcntl(connection.get(), F_SETFL, O_RDWR | O_NONBLOCK);
    channel_ = grpc::CreateInsecureChannelFromFd("localhost", connection.release());
    watcher_ = std::thread([this, ended = std::move(ended)] { watch(ended); });
}

ClientSession::~ClientSession() {
    watching_->TryCancel();
    if (watcher_.joinable()) watcher_.join();
}

// The answer of the health service lasts as long as the connection does: its end is the client's.
void ClientSession::watch(const std::function<void()>& ended) {
    grpc::health::v1::HealthCheckRequest request;
    auto stub = grpc::health::v1::Health::NewStub(channel_);
    auto stream = stub->Watch(watching_.get(), request);
    grpc::health::v1::HealthCheckResponse answer;
    while (stream->Read(&answer)) {
    }
    (void)stream->Finish();
    {
        std::lock_guard lock(mutex_);
        gone_ = true;
    }
    ended();
}

bool ClientSession::gone() const {
    std::lock_guard lock(mutex_);
    return gone_;
}

Result<std::optional<std::string>> ClientSession::secret(const std::string& id) {
    grpc::ClientContext context;
    limit(context);
    moby::buildkit::secrets::v1::GetSecretRequest request;
    request.set_id(id);
    moby::buildkit::secrets::v1::GetSecretResponse answer;
    auto stub = moby::buildkit::secrets::v1::Secrets::NewStub(channel_);
    const grpc::Status status = stub->GetSecret(&context, request, &answer);
    if (status.ok()) return std::optional<std::string>(std::move(*answer.mutable_data()));
    if (status.error_code() == grpc::StatusCode::NOT_FOUND || status.error_code() == grpc::StatusCode::UNIMPLEMENTED)
        return std::optional<std::string>();
    return failed("secret " + quote_json(id.substr(0, 200)), status);
}

Result<Login> ClientSession::login(const std::string& registry) {
    grpc::ClientContext context;
    limit(context);
    moby::filesync::v1::CredentialsRequest request;
    request.set_host(login_host(registry));
    moby::filesync::v1::CredentialsResponse answer;
    auto stub = moby::filesync::v1::Auth::NewStub(channel_);
    const grpc::Status status = stub->Credentials(&context, request, &answer);
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) return Login{};
    if (!status.ok()) return failed("credentials for " + registry, status);
    // A secret without a user is an identity token.
    if (answer.username().empty()) return Login{"", "", answer.secret()};
    return Login{answer.username(), answer.secret(), ""};
}

Result<void> Sessions::add(std::string id, std::string shared_key, UniqueFd connection) {
    sweep();
    std::lock_guard lock(mutex_);
    if (sessions_.size() >= most)
        return fail(Code::exhausted, "there are " + std::to_string(most) + " sessions of clients, which is all");
    if (sessions_.contains(id))
        return fail(Code::conflict, "session " + quote_json(id.substr(0, 200)) + " is there already");
    auto session = std::make_shared<ClientSession>(id, std::move(shared_key), std::move(connection), [this] {
        std::lock_guard notified(mutex_);
        changed_.notify_all();
    });
    sessions_.emplace(std::move(id), std::move(session));
    changed_.notify_all();
    return {};
}

Result<std::shared_ptr<ClientSession>> Sessions::find(const std::string& id, int wait_ms) {
    std::unique_lock lock(mutex_);
    auto there = [&] { return sessions_.contains(id); };
    if (!changed_.wait_for(lock, std::chrono::milliseconds(wait_ms), there))
        return fail(Code::not_found, "session " + quote_json(id.substr(0, 200)) + " has not come");
    return sessions_[id];
}

void Sessions::sweep() {
    // Destroyed beyond the lock: the end of a session waits for its thread, which may want it.
    std::vector<std::shared_ptr<ClientSession>> ended;
    std::lock_guard lock(mutex_);
    for (auto it = sessions_.begin(); it != sessions_.end();) {
        if (it->second->gone()) {
            ended.push_back(std::move(it->second));
            it = sessions_.erase(it);
        } else {
            ++it;
        }
    }
}

std::size_t Sessions::count() {
    std::lock_guard lock(mutex_);
    return sessions_.size();
}

}  // namespace gantry::buildkit
