// One build: from a client's solve to the engine's build session and back.
#pragma once
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/build/frames.hpp"
#include "core/buildkit/attributes.hpp"
#include "core/buildkit/client_session.hpp"
#include "core/buildkit/file_sync.hpp"
#include "core/buildkit/progress.hpp"

namespace gantry::buildkit {

// How a build ended badly: for the client's terminal, with the lines of its Dockerfile.
struct Failure {
    std::string message;
    bool cancelled = false;
    std::string details;  // a serialised google.rpc.Status that the client itself gave, or "", and its code
    int code = 0;
    std::string file_name, source;
    int first = 0, last = 0;
};

// What a front end was asked for; nothing is done until the client says that this is what it wants.
struct Asked {
    std::map<std::string, std::string> attributes;
    std::vector<Typed> cache_from;
};

// Gives a socket on whose other end the engine speaks the build session.
using OpenBuild = std::function<Result<UniqueFd>()>;

// Methods are thread-safe.
class Build {
public:
    static constexpr std::size_t most_waiting = 4u << 20;
    Build(SolveWish wish, std::string session)
        : wish_(std::move(wish)), session_(std::move(session)), progress_(new_progress()) {}

    const std::string& session() const { return session_; }

    // The client's own build function: it asks, and names at last what is to come out ("": nothing), or why nothing is.
    Result<std::string> ask(Asked asked);
    Result<void> give_back(const std::string& name);
    void give_up(Failure failure);

    // Waits for that, where `asked` is none; then builds. `cancelled` is asked again and again, from a thread of the build's.
    // The answer is what an exporter says of an image.
    Result<std::map<std::string, std::string>> run(std::optional<Asked> asked, Sessions& sessions,
                                                   const OpenBuild& open, const std::function<bool()>& cancelled,
                                                   Failure* failure);

    // Takes the next events, and waits for them; none: the build has ended, and all was told. For the one who watches.
    // GANTRY_CANCELLED: `cancelled`.
    Result<std::vector<Event>> next(const std::function<bool()>& cancelled);
    bool watch();          // false: somebody does already
    void stop_watching();  // they take no more
    // What events are of: the Dockerfile, by its name. Set before the first warning is told.
    std::pair<std::string, std::string> source() const;

private:
    static Progress new_progress();
    Result<Asked> wait_for_result(const std::function<bool()>& cancelled, Failure* failure);
    Result<BuildWish> prepare(const Asked& asked, Sessions& sessions, ClientSession& session, FileSync& files);
    Result<std::map<std::string, std::string>> converse(BuildWish wish, ClientSession& session, FileSync& files,
                                                        build::FrameSocket& engine, Failure* failure);
    void tell(std::vector<Event> events);
    void end(const std::string& error);

    const SolveWish wish_;
    const std::string session_;
    mutable std::mutex mutex_;  // all below
    std::condition_variable changed_;
    std::map<std::string, Asked> asked_;
    std::optional<std::string> returned_;
    std::optional<Failure> given_up_;
    Progress progress_;
    std::deque<Event> events_;
    std::size_t waiting_ = 0;  // bytes of logs in them
    bool watched_ = false, ended_ = false, watcher_gone_ = false;
    std::string file_name_, source_;
};

// All of them, by the client's name for each.
class Builds {
public:
    static constexpr std::size_t most = 32;
    // GANTRY_EXHAUSTED, GANTRY_CONFLICT.
    Result<std::shared_ptr<Build>> add(const std::string& name, SolveWish wish, std::string session);
    // It may come a moment later than who asks for it. GANTRY_NOT_FOUND.
    Result<std::shared_ptr<Build>> find(const std::string& name, int wait_ms, const std::function<bool()>& cancelled);
    // It has ended; who watches it still finds it for a while.
    void ended(const std::string& name);

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, std::shared_ptr<Build>> builds_;
    std::deque<std::pair<std::string, std::shared_ptr<Build>>> past_;
};

}  // namespace gantry::buildkit
