// One client's build session: what it is told, and what it is asked (PROTOCOL.md). A thread of its own reads what comes;
// a client that goes away cancels the build.
#pragma once
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/build/client.hpp"
#include "core/build/context_store.hpp"
#include "core/build/frames.hpp"
#include "core/build/listener.hpp"
#include "core/build/sources.hpp"

namespace gantry::build {

class Session final : public Client, public Listener {
public:
    Session(UniqueFd socket, std::string early, ContextStore& contexts, Sources& sources, Cancel& cancel);
    ~Session() override;

    // The client's first frame, {"type":"build"}.
    Result<Json> begin();
    // What may be asked for, from the first frame; then the reading thread runs.
    struct Offer {
        std::map<std::string, Json> contexts;  // name -> {"kind", "key" or "url"}
        std::set<std::string> secrets, agents;
        bool any_secret = false, any_agent = false;  // which there are is known when one is asked for
    };
    void start(Offer offer);
    void set_steps(const Graph& graph);
    void warning(const Warning& warning);
    Result<void> send(const Json& header) { return socket_.send(header); }
    // Ends the connection, whatever waits for it. Any thread.
    void shut_down() { socket_.shut_down(); }

    // Client
    Result<std::shared_ptr<const Tree>> context(const ContextSource& source, const OnProgress& progress,
                                                Cancel& cancel) override;
    Result<std::optional<std::string>> secret(const std::string& id) override;
    Result<std::optional<UniqueFd>> ssh(const std::string& id) override;
    Result<RegistryLogin> login(const std::string& registry) override;
    Result<void> output(std::size_t index, std::string_view bytes, bool last) override;
    Result<void> read_cache(std::size_t index, const std::string& path,
                            const std::function<Result<void>(std::string_view)>& data) override;
    Result<std::map<std::string, std::int64_t>> list_cache(std::size_t index, const std::string& path) override;
    Result<void> write_cache(std::size_t index, std::string_view bytes, bool last) override;
    // Listener
    void step(StepId step, StepState state, std::int64_t ms, const std::string& error) override;
    void log(StepId step, int stream, std::string_view bytes) override;
    void progress(StepId step, std::string_view what, std::int64_t current, std::int64_t total) override;
    StepId extra(const std::string& name) override;

private:
    // A request and the frames that answer it, until it is dropped.
    struct Inbox {
        std::deque<Frame> frames;
        std::size_t bytes = 0;
    };
    class Request;
    class Peer;
    void read();
    Result<std::shared_ptr<const Tree>> remote(const Json& where, const ContextSource& source,
                                               const OnProgress& progress, Cancel& cancel);
    // `member`, `index`: which output it is, in the request's words.
    Result<void> send_output(const char* member, std::size_t index, std::string_view bytes, bool last);
    void agent_loop(std::shared_ptr<Request> request, UniqueFd socket);

    FrameSocket socket_;
    ContextStore& contexts_;
    Sources& sources_;
    Cancel& cancel_;
    Offer offer_;
    std::thread reader_;
    std::mutex mutex_;  // all below
    std::condition_variable changed_;
    std::map<std::uint64_t, Inbox> inboxes_;
    std::uint64_t next_id_ = 1;
    bool gone_ = false;
    std::map<std::pair<std::string, std::size_t>, std::shared_ptr<Request>> outputs_;
    std::vector<std::thread> agents_;
    std::map<StepId, std::int64_t> told_ns_;   // when progress was sent last
    std::vector<std::string> stages_, names_;  // of the graph's steps, and of those beside it
};

}  // namespace gantry::build
