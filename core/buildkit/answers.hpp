// What the engine asks of a build's client (core/build/PROTOCOL.md), answered from the client's session.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/build/frames.hpp"
#include "core/buildkit/attributes.hpp"
#include "core/buildkit/client_session.hpp"
#include "core/buildkit/file_sync.hpp"
#include "core/buildkit/ssh_agent.hpp"

namespace gantry::buildkit {

// One build's. All are borrowed.
class Answers {
public:
    Answers(const BuildWish& wish, ClientSession& session, FileSync& files, build::FrameSocket& engine)
        : wish_(wish), session_(session), files_(files), engine_(engine) {}
    // Waits for what is under way, which ends when `files` are cancelled and the engine's socket is shut down.
    ~Answers();
    // A frame with an id. One thread; does not wait for the client.
    void take(build::Frame frame);

private:
    void reap();
    void answer(const build::Frame& request);
    Result<void> try_answer(const build::Frame& request);
    Result<void> answer_files(const build::Frame& request);
    Result<void> answer_secret(const build::Frame& request);
    Result<void> answer_login(const build::Frame& request);
    Result<void> serve_agent(const build::Frame& request);
    void agent_frame(const build::Frame& frame);

    const BuildWish& wish_;
    ClientSession& session_;
    FileSync& files_;
    build::FrameSocket& engine_;
    // Each request has a thread: they wait for the client, and the engine has few at a time.
    std::map<std::uint64_t, std::thread> threads_;
    std::uint64_t next_ = 0;
    std::mutex mutex_;  // the two below
    std::vector<std::uint64_t> over_;
    std::map<std::string, std::shared_ptr<SshAgent>> agents_;  // by id, as JSON text
};

}  // namespace gantry::buildkit
