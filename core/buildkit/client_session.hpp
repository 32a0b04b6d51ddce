// A client's session: the connection over which the client serves its directories, secrets and credentials, and we ask.
#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace grpc {
class Channel;
class ClientContext;
}  // namespace grpc

namespace gantry::buildkit {

struct Login {
    std::string username, password, identity_token;
};

// Thread-safe. Calls block, and fail once the client has gone.
class ClientSession {
public:
    // `id`, `shared_key`: the client's words for itself. `ended` is called once, from a thread of the session's, when the client
    // has gone; the session is closed by close(), not from there.
    ClientSession(std::string id, std::string shared_key, UniqueFd connection, std::function<void()> ended);
    ~ClientSession();

    const std::string& id() const { return id_; }
    const std::string& shared_key() const { return shared_key_; }
    const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
    bool gone() const;
    // None: the client has none of that id.
    Result<std::optional<std::string>> secret(const std::string& id);
    Result<Login> login(const std::string& registry);

private:
    void watch(const std::function<void()>& ended);

    const std::string id_, shared_key_;
    std::shared_ptr<grpc::Channel> channel_;
    std::unique_ptr<grpc::ClientContext> watching_;
    mutable std::mutex mutex_;
    bool gone_ = false;
    std::thread watcher_;
};

// The sessions of all clients.
class Sessions {
public:
    static constexpr std::size_t most = 64;
    // GANTRY_EXHAUSTED: too many at a time. GANTRY_CONFLICT: there is one of that id.
    Result<void> add(std::string id, std::string shared_key, UniqueFd connection);
    // Waits until it comes, `wait_ms` at most. GANTRY_NOT_FOUND.
    Result<std::shared_ptr<ClientSession>> find(const std::string& id, int wait_ms);
    // Lets go of those whose client has gone.
    void sweep();
    std::size_t count();

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, std::shared_ptr<ClientSession>> sessions_;
};

}  // namespace gantry::buildkit
