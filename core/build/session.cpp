#include "core/build/session.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/text.hpp"
#include "core/build/filtered_tree.hpp"

namespace gantry::build {
namespace {

// What a client sends faster than it is taken waits in the socket beyond this.
constexpr std::size_t most_waiting = 8u << 20;
constexpr std::size_t secret_bytes = 500u << 10;
constexpr std::size_t most_cached_files = 100'000;
constexpr std::size_t fetch_header = 256u << 10;
constexpr std::int64_t progress_every_ns = 100'000'000;

std::string text_of(const Json& object, const char* key) {
    auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

class Session::Request {
public:
    Request(Session& session, Json header) : session_(session) {
        {
            std::lock_guard lock(session.mutex_);
            id_ = session.next_id_++;
            session.inboxes_[id_];
        }
        header["id"] = id_;
        sent_ = session.socket_.send(header);
    }
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;
    ~Request() {
        {
            std::lock_guard lock(session_.mutex_);
            session_.inboxes_.erase(id_);
        }
        session_.changed_.notify_all();
    }
    std::uint64_t id() const { return id_; }
    const Result<void>& sent() const { return sent_; }

    // The next frame of the answer. A "failed" one is an error with its message.
    Result<Frame> next() {
        GANTRY_CHECK(sent_);
        std::unique_lock lock(session_.mutex_);
        Inbox& inbox = session_.inboxes_[id_];
        session_.changed_.wait(lock, [&] { return !inbox.frames.empty() || session_.gone_; });
        if (inbox.frames.empty()) return fail(Code::cancelled, "the client has gone");
        Frame frame = std::move(inbox.frames.front());
        inbox.frames.pop_front();
        inbox.bytes -= frame.body.size();
        lock.unlock();
        session_.changed_.notify_all();
        if (frame.type() == "failed") return fail(Code::invalid, text_of(frame.header, "message").substr(0, 2000));
        return frame;
    }

private:
    Session& session_;
    std::uint64_t id_ = 0;
    Result<void> sent_;
};

// A directory of the client: a context, or where it keeps a cache.
class Session::Peer final : public ContextPeer {
public:
    Peer(Session& session, const ContextSource& source) : Peer(session, source, {{"context", source.name}}) {}
    // `where`: the member of a request that names the directory.
    Peer(Session& session, const ContextSource& source, Json where)
        : session_(session), source_(source), where_(std::move(where)) {}

    Result<void> walk(const std::function<Result<void>(ContextEntry)>& entry) override {
        Json wanted{{"type", "walk"}, {"paths", source_.paths}, {"exclude", source_.exclude}};
        wanted.update(where_);
        Request request(session_, std::move(wanted));
        for (;;) {
            GANTRY_TRY(Frame frame, request.next());
            if (frame.type() == "end") return {};
            if (frame.type() != "entries") return unexpected(frame);
            // Many entries are larger than a header: they may come as the body.
            const Json& entries = frame.header.contains("entries") ? frame.header["entries"] : Json::array();
            if (!entries.is_array()) return fail(Code::invalid, "the client's \"entries\" are no list");
            for (const Json& item : entries) {
                GANTRY_TRY(ContextEntry one, read_entry(item));
                GANTRY_CHECK(entry(std::move(one)));
            }
        }
    }

    Result<void> fetch(const std::vector<std::string>& paths, const std::function<Result<void>(std::string_view)>& data,
                       const std::function<Result<void>()>& end) override {
        for (std::size_t at = 0; at < paths.size();) {
            std::vector<std::string> some;
            for (std::size_t bytes = 0; at < paths.size() && bytes < fetch_header; ++at) {
                bytes += 2 * paths[at].size() + 8;
                some.push_back(paths[at]);
            }
            GANTRY_CHECK(fetch_some(some, data, end));
        }
        return {};
    }

private:
    static Result<ContextEntry> read_entry(const Json& item) {
        try {
            // Whole numbers only: JSON's others turn into some number or other.
            for (const char* key : {"mode", "size", "mtime_ns"})
                if (item.at("path").is_string() && item.contains(key) && !item[key].is_number_integer())
                    return fail(Code::invalid, "the client sent an entry that is no entry");
            const auto mode = item.at("mode").get<std::int64_t>();
            if (mode < 0 || mode > UINT32_MAX) return fail(Code::invalid, "the client sent an entry that is no entry");
            return ContextEntry{item.at("path").get<std::string>(), static_cast<std::uint32_t>(mode),
                                item.value("size", std::int64_t{0}), item.value("mtime_ns", std::int64_t{0}),
                                item.value("link", "")};
        } catch (const Json::exception&) {
            return fail(Code::invalid, "the client sent an entry that is no entry");
        }
    }
    static Error unexpected(const Frame& frame) {
        return fail(Code::invalid, "the client answered with " + quote_json(frame.type().substr(0, 50)));
    }
    Result<void> fetch_some(const std::vector<std::string>& paths,
                            const std::function<Result<void>(std::string_view)>& data,
                            const std::function<Result<void>()>& end) {
        Json wanted{{"type", "fetch"}, {"paths", paths}};
        wanted.update(where_);
        Request request(session_, std::move(wanted));
        std::size_t at = 0;
        for (;;) {
            GANTRY_TRY(Frame frame, request.next());
            if (frame.type() == "end") break;
            if (frame.type() != "data") return unexpected(frame);
            if (at >= paths.size() || text_of(frame.header, "path") != paths[at])
                return fail(Code::invalid, "the client sent a file that it was not asked for");
            GANTRY_CHECK(data(frame.body));
            const auto eof = frame.header.find("eof");
            if (eof == frame.header.end() || *eof != true) continue;
            GANTRY_CHECK(end());
            ++at;
        }
        if (at != paths.size()) return fail(Code::invalid, "the client did not send " + quote_json(paths[at]));
        return {};
    }

    Session& session_;
    const ContextSource& source_;
    const Json where_;
};

Session::Session(UniqueFd socket, std::string early, ContextStore& contexts, Sources& sources, Cancel& cancel)
    : socket_(std::move(socket), std::move(early)), contexts_(contexts), sources_(sources), cancel_(cancel) {}

Session::~Session() {
    socket_.shut_down();
    if (reader_.joinable()) reader_.join();
    {
        std::lock_guard lock(mutex_);
        gone_ = true;
    }
    changed_.notify_all();
    for (std::thread& agent : agents_) agent.join();
    outputs_.clear();
}

Result<Json> Session::begin() {
    GANTRY_TRY(Frame frame, socket_.receive());
    if (frame.type() != "build")
        return fail(Code::invalid,
                    "a session begins with \"build\", not with " + quote_json(frame.type().substr(0, 50)));
    return std::move(frame.header);
}

void Session::start(Offer offer) {
    offer_ = std::move(offer);
    reader_ = std::thread([this] { read(); });
}

void Session::set_steps(const Graph& graph) {
    std::lock_guard lock(mutex_);
    for (const Step& step : graph.steps) {
        names_.push_back(step.name);
        stages_.push_back(step.stage);
    }
}

StepId Session::extra(const std::string& name) {
    std::lock_guard lock(mutex_);
    names_.push_back(name);
    stages_.emplace_back();
    return names_.size() - 1;
}

void Session::read() {
    for (;;) {
        auto frame = socket_.receive();
        if (!frame) {
            if (frame.error().code != Code::cancelled)
                (void)socket_.send({{"type", "error"}, {"message", frame.error().text}});
            break;
        }
        std::uint64_t id = 0;
        if (auto found = frame->header.find("id"); found != frame->header.end() && found->is_number_unsigned())
            id = found->get<std::uint64_t>();
        std::unique_lock lock(mutex_);
        // An answer to what nobody waits for any more is let go.
        changed_.wait(lock, [&] {
            auto inbox = inboxes_.find(id);
            return inbox == inboxes_.end() || inbox->second.bytes < most_waiting || gone_;
        });
        if (gone_) break;
        if (auto inbox = inboxes_.find(id); inbox != inboxes_.end()) {
            inbox->second.bytes += frame->body.size();
            inbox->second.frames.push_back(std::move(*frame));
        }
        lock.unlock();
        changed_.notify_all();
    }
    {
        std::lock_guard lock(mutex_);
        gone_ = true;
    }
    changed_.notify_all();
    cancel_.cancel();
}

Result<std::shared_ptr<const Tree>> Session::context(const ContextSource& source, const OnProgress& progress,
                                                     Cancel& cancel) {
    auto found = offer_.contexts.find(source.name);
    if (found == offer_.contexts.end())
        return fail(Code::not_found, "there is no build context " + quote_json(source.name));
    const std::string kind = text_of(found->second, "kind");
    if (kind != "local") return remote(found->second, source, progress, cancel);
    Peer peer(*this, source);
    // What the client is told to leave out is part of which tree it is: two builds of one directory do not undo each other's.
    std::string key = text_of(found->second, "key") + '\0' + source.name;
    for (const auto* list : {&source.paths, &source.exclude}) {
        key += '\0';
        for (const std::string& text : *list) key += text + '\n';
    }
    auto tree = contexts_.sync(key, peer, progress, cancel);
    if (!tree) return std::move(tree).error().context("build context " + quote_json(source.name));
    return tree;
}

Result<std::shared_ptr<const Tree>> Session::remote(const Json& where, const ContextSource& source,
                                                    const OnProgress& progress, Cancel& cancel) {
    const std::string kind = text_of(where, "kind"), url = text_of(where, "url");
    if (kind != "git" && kind != "http")
        return fail(Code::invalid, "a build context of the kind " + quote_json(kind.substr(0, 50)) +
                                       ", allowed: local, git, http, image");
    GANTRY_TRY(auto tree, remote_context(sources_, kind, url, progress, cancel,
                                         [this](const std::string& id) { return secret(id); }));
    return filtered(sources_, std::move(tree), source.exclude, cancel);
}

Result<std::optional<std::string>> Session::secret(const std::string& id) {
    if (!offer_.any_secret && !offer_.secrets.contains(id)) return std::optional<std::string>();
    Request request(*this, {{"type", "secret"}, {"secret", id}});
    auto frame = request.next();
    if (!frame) return std::move(frame).error().context("secret " + quote_json(id));
    if (frame->type() != "value") return fail(Code::invalid, "the client answered a secret with something else");
    if (auto absent = frame->header.find("absent"); absent != frame->header.end() && *absent == true)
        return std::optional<std::string>();
    if (frame->body.size() > secret_bytes)
        return fail(Code::exhausted, "secret " + quote_json(id) + " is larger than 500 KiB");
    return std::optional<std::string>(std::move(frame->body));
}

Result<RegistryLogin> Session::login(const std::string& registry) {
    Request request(*this, {{"type", "auth"}, {"registry", registry}});
    auto frame = request.next();
    if (!frame) return std::move(frame).error().context("credentials for " + registry);
    if (frame->type() != "auth") return fail(Code::invalid, "the client answered an \"auth\" with something else");
    return RegistryLogin{text_of(frame->header, "username"), text_of(frame->header, "password"),
                         text_of(frame->header, "identitytoken")};
}

Result<std::optional<UniqueFd>> Session::ssh(const std::string& id) {
    const bool listed = offer_.agents.contains(id);
    if (!listed && !offer_.any_agent) return std::optional<UniqueFd>();
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return fail_errno("make a socket pair");
    UniqueFd ours(ends[0]), theirs(ends[1]);
    auto request = std::make_shared<Request>(*this, Json{{"type", "ssh"}, {"agent", id}});
    GANTRY_CHECK(request->sent());
    if (!listed) {
        auto frame = request->next();
        if (!frame) return std::move(frame).error().context("SSH agent " + quote_json(id.substr(0, 200)));
        if (frame->type() == "ssh-absent") return std::optional<UniqueFd>();
        if (frame->type() != "ssh-open")
            return fail(Code::invalid, "the client answered for an SSH agent with something else");
    }
    std::lock_guard lock(mutex_);
    agents_.emplace_back(
        [this, request, socket = std::move(ours)]() mutable { agent_loop(request, std::move(socket)); });
    return std::optional<UniqueFd>(std::move(theirs));
}

// Both directions of a connection to an agent: one thread reads the socket, this one the client's frames.
void Session::agent_loop(std::shared_ptr<Request> request, UniqueFd socket) {
    std::thread outward([this, id = request->id(), fd = socket.get()] {
        char buffer[32768];
        for (;;) {
            const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) break;
            if (!socket_.send({{"type", "ssh-data"}, {"id", id}}, {buffer, static_cast<std::size_t>(n)})) return;
        }
        (void)socket_.send({{"type", "ssh-end"}, {"id", id}});
        // The other thread waits for frames that may never come.
        std::lock_guard lock(mutex_);
        if (auto inbox = inboxes_.find(id); inbox != inboxes_.end())
            inbox->second.frames.push_back({{{"type", "ssh-end"}}, ""});
        changed_.notify_all();
    });
    for (;;) {
        auto frame = request->next();
        if (!frame || frame->type() != "ssh-data" || !write_all(socket.get(), frame->body)) break;
    }
    (void)::shutdown(socket.get(), SHUT_RDWR);
    outward.join();
}

Result<void> Session::output(std::size_t index, std::string_view bytes, bool last) {
    return send_output("output", index, bytes, last);
}

Result<void> Session::write_cache(std::size_t index, std::string_view bytes, bool last) {
    return send_output("cache_to", index, bytes, last);
}

Result<void> Session::read_cache(std::size_t index, const std::string& path,
                                 const std::function<Result<void>(std::string_view)>& data) {
    const ContextSource none;
    return Peer(*this, none, {{"cache_from", index}}).fetch({path}, data, [] { return Result<void>(); });
}

Result<std::map<std::string, std::int64_t>> Session::list_cache(std::size_t index, const std::string& path) {
    const ContextSource source{"", {path}, {}};
    std::map<std::string, std::int64_t> sizes;
    GANTRY_CHECK(Peer(*this, source, {{"cache_to", index}}).walk([&](ContextEntry entry) -> Result<void> {
        if (sizes.size() > most_cached_files) return fail(Code::exhausted, "the cache's directory has too many files");
        if ((entry.mode & S_IFMT) == S_IFREG) sizes[entry.path] = entry.size;
        return {};
    }));
    return sizes;
}

Result<void> Session::send_output(const char* member, std::size_t index, std::string_view bytes, bool last) {
    const std::pair slot{std::string(member), index};
    std::shared_ptr<Request> request;
    {
        std::lock_guard lock(mutex_);
        request = outputs_[slot];
    }
    if (!request) {
        request = std::make_shared<Request>(*this, Json{{"type", "output"}, {member, index}});
        GANTRY_CHECK(request->sent());
        std::lock_guard lock(mutex_);
        outputs_[slot] = request;
    }
    // A client that cannot write says so at once.
    bool spoken = false;
    {
        std::lock_guard lock(mutex_);
        spoken = !inboxes_[request->id()].frames.empty();
    }
    if (spoken) GANTRY_CHECK(request->next());
    for (std::size_t at = 0; at < bytes.size(); at += most_body)
        GANTRY_CHECK(socket_.send({{"type", "output-data"}, {"id", request->id()}}, bytes.substr(at, most_body)));
    if (!last) return {};
    GANTRY_CHECK(socket_.send({{"type", "output-data"}, {"id", request->id()}, {"eof", true}}));
    auto end = request->next();
    {
        std::lock_guard lock(mutex_);
        outputs_.erase(slot);
    }
    if (!end) return std::move(end).error().context(std::string(member) + " " + std::to_string(index));
    return {};
}

void Session::step(StepId step, StepState state, std::int64_t ms, const std::string& error) {
    Json header{{"type", "step"}, {"step", step}, {"state", name_of(state)}, {"ms", ms}};
    {
        std::lock_guard lock(mutex_);
        if (step < names_.size()) {
            header["name"] = names_[step];
            header["stage"] = stages_[step];
        }
    }
    if (!error.empty()) header["error"] = error;
    (void)socket_.send(header);
}

void Session::log(StepId step, int stream, std::string_view bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += most_body)
        (void)socket_.send({{"type", "log"}, {"step", step}, {"stream", stream}}, bytes.substr(at, most_body));
}

void Session::progress(StepId step, std::string_view what, std::int64_t current, std::int64_t total) {
    {
        std::lock_guard lock(mutex_);
        const std::int64_t now = monotonic_ns();
        std::int64_t& told = told_ns_[step];
        if (now - told < progress_every_ns && current != total) return;
        told = now;
    }
    (void)socket_.send({{"type", "progress"}, {"step", step}, {"what", what}, {"current", current}, {"total", total}});
}

void Session::warning(const Warning& warning) {
    (void)socket_.send({{"type", "warning"},
                        {"rule", warning.rule},
                        {"message", warning.message},
                        {"first", warning.lines.first},
                        {"last", warning.lines.last}});
}

}  // namespace gantry::build
