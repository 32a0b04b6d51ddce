#include "core/driverhost/server.hpp"

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/driver/reply.hpp"

namespace gantry::driverhost {

using driver::CallState;

namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;

}  // namespace

Server::Server(UniqueFd socket) : socket_(std::move(socket)) {}

int Server::run() {
    for (;;) {
        auto message = driver::receive_frame(socket_.get());
        if (!message) {
            // The engine has gone: nobody is there to answer to, and what was under way is the next one's to inspect.
            if (message.error().code == Code::not_found) return 0;
            log::error("the engine's message cannot be read", {{"reason", message.error().text}});
            return 1;
        }
        if (member<std::string>(message->body, "type") == "close") {
            close();
            return 0;
        }
        handle(std::move(*message));
    }
}

void Server::handle(Message message) {
    const auto type = member<std::string>(message.body, "type");
    if (type == "call") return call(std::move(message));
    if (type == "spawned") return ended(message.body);
    if (type == "cancel") {
        if (auto state = find(message.body)) state->cancelled = true;
        return;
    }
    if (type == "extend") {
        if (auto state = find(message.body))
            state->deadline_ns = monotonic_ns() + member<std::int64_t>(message.body, "deadline_ms") * ns_per_ms;
        return;
    }
    if (type != "load" && type != "open") return;
    // Not on this thread: an open may want a program run, and this thread is the one that hears of its end.
    auto work = [this, type, body = std::make_shared<Json>(std::move(message.body))] {
        if (type == "load")
            load(*body);
        else
            open(*body);
    };
    if (!workers_.submit(work)) refuse(fail(Code::exhausted, "no thread can be made"));
}

void Server::load(const Json& body) {
    auto library = driver::load_library(member<std::string>(body, "file"));
    if (!library) return refuse(library.error());
    {
        std::lock_guard lock(mutex_);
        name_ = member<std::string>(body, "name", (*library)->file.name);
        library_ = *library;
    }
    send({{"type", "loaded"},
          {"name", (*library)->file.name},
          {"kind", driver::name_of((*library)->file.kind)},
          {"version", (*library)->version},
          {"description", (*library)->description}});
}

void Server::open(const Json& body) {
    std::shared_ptr<const driver::Library> library;
    std::string name;
    {
        std::lock_guard lock(mutex_);
        library = library_;
        name = name_;
    }
    if (!library) return refuse(fail(Code::invalid, "open before load"));
    auto services = std::make_shared<driver::HostServices>();
    services->log = [this](const std::string&, std::int32_t level, std::string_view text) {
        send({{"type", "log"}, {"level", level}, {"text", text}});
    };
    services->event = [this](const std::string&, const Json& event) { send({{"type", "event"}, {"event", event}}); };
    services->spawn = [this](const driver::SpawnRequest& request, const int fds[3]) { return spawn(request, fds); };
    auto instance = driver::Instance::open(library, name, member<Json>(body, "config", Json::object()), services);
    if (!instance) return refuse(instance.error());
    {
        std::lock_guard lock(mutex_);
        instance_ = *instance;
    }
    send({{"type", "opened"}, {"tables", (*instance)->offered()}});
}

void Server::call(Message message) {
    const auto id = member<std::uint64_t>(message.body, "call");
    auto state = std::make_shared<CallState>();
    std::shared_ptr<driver::Instance> instance;
    {
        std::lock_guard lock(mutex_);
        instance = instance_;
        calls_[id] = state;
    }
    state->operation = member<std::string>(message.body, "operation");
    state->deadline_ns = monotonic_ns() + member<std::int64_t>(message.body, "deadline_ms") * ns_per_ms;
    state->on_reply = [this, id](CallState& answered) { send_reply(id, answered); };
    auto refuse_call = [&](const Error& error) {
        state->status = static_cast<gantry_status>(error.code);
        state->json = Json{{"message", error.text}}.dump(-1, ' ', false, Json::error_handler_t::replace);
        send_reply(id, *state);
    };
    if (!instance) return refuse_call(fail(Code::invalid, "a call before open"));
    auto op = instance->find(member<std::string>(message.body, "table"), state->operation);
    if (!op) return refuse_call(op.error());
    state->driver = instance->name();
    state->request = message.body["request"].dump(-1, ' ', false, Json::error_handler_t::replace);
    for (UniqueFd& fd : message.fds) {
        state->fds.push_back(fd.get());
        state->owned.push_back(std::move(fd));
    }
    auto work = [instance, function = *op, state] { instance->run(function, state); };
    if (!workers_.submit(work)) refuse_call(fail(Code::exhausted, "no thread can be made"));
}

void Server::send_reply(std::uint64_t id, CallState& state) {
    {
        std::lock_guard lock(mutex_);
        calls_.erase(id);
        changed_.notify_all();
    }
    try {
        std::string defect = state.defect;
        Json result = driver::parse_reply(state.json, defect);
        Json reply{{"type", "reply"}, {"call", id}, {"status", state.status}, {"result", std::move(result)}};
        if (!defect.empty()) reply["defect"] = defect;
        std::vector<int> fds;
        for (const UniqueFd& fd : state.reply_fds) fds.push_back(fd.get());
        auto sent = driver::send_frame(socket_.get(), reply, fds);
        if (!sent)
            send({{"type", "reply"},
                  {"call", id},
                  {"status", GANTRY_INTERNAL},
                  {"defect", "answered, and that failed: " + sent.error().text}});
    } catch (const std::exception& e) {
        log::error("a reply cannot be sent", {{"reason", e.what()}});
    }
}

Result<int> Server::spawn(const driver::SpawnRequest& request, const int fds[3]) {
    Json variables = Json::object();
    for (const std::string& one : request.environment)
        variables[one.substr(0, one.find('='))] = one.substr(one.find('=') + 1);
    Json given = Json::array();
    std::vector<int> sent_fds;
    for (int i = 0; i < 3; ++i) {
        given.push_back(fds[i] >= 0);
        if (fds[i] >= 0) sent_fds.push_back(fds[i]);
    }
    std::unique_lock lock(mutex_);
    const std::uint64_t id = ++last_spawn_;
    spawns_[id];
    lock.unlock();
    auto sent = driver::send_frame(socket_.get(),
                                   {{"type", "spawn"},
                                    {"id", id},
                                    {"timeout_ms", request.timeout_ms},
                                    {"given", given},
                                    {"spec", {{"argv", request.argv}, {"env", variables}}}},
                                   sent_fds);
    lock.lock();
    // The engine ends the program at the deadline; a little more for its answer to come.
    if (sent)
        changed_.wait_for(lock, std::chrono::milliseconds(request.timeout_ms + 2'000),
                          [&] { return spawns_[id].has_value(); });
    std::optional<Json> answer = std::move(spawns_[id]);
    spawns_.erase(id);
    if (!sent) return std::move(sent).error();
    if (!answer) return fail(Code::deadline, "program \"" + request.argv[0] + "\": the engine does not answer");
    const int status = member<int>(*answer, "status");
    if (status == 0) return member<int>(*answer, "exit");
    return fail(static_cast<Code>(status), member<std::string>(*answer, "message"));
}

void Server::ended(const Json& body) {
    std::lock_guard lock(mutex_);
    auto found = spawns_.find(member<std::uint64_t>(body, "id"));
    if (found == spawns_.end()) return;
    found->second = body;
    changed_.notify_all();
}

// close() of the driver must not meet an operation: those under way are cancelled and get a moment. What does not end
// then dies with the process, and close() is not called.
void Server::close() {
    std::unique_lock lock(mutex_);
    for (auto& [id, state] : calls_) state->cancelled = true;
    changed_.wait_for(lock, std::chrono::milliseconds(1'000), [&] { return calls_.empty(); });
    std::shared_ptr<driver::Instance> instance = std::move(instance_);
    lock.unlock();
    // A worker may hold it for the few instructions after its reply.
    for (int i = 0; i < 100 && instance.use_count() > 1; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    instance.reset();
}

void Server::refuse(const Error& error) {
    send({{"type", "refused"}, {"code", static_cast<int>(error.code)}, {"message", error.text}});
}

void Server::send(const Json& body, const std::vector<int>& fds) {
    if (auto sent = driver::send_frame(socket_.get(), body, fds); !sent && sent.error().system_errno != EPIPE)
        log::warn("a message to the engine is lost", {{"reason", sent.error().text}});
}

std::shared_ptr<CallState> Server::find(const Json& body) {
    std::lock_guard lock(mutex_);
    auto found = calls_.find(member<std::uint64_t>(body, "call"));
    return found == calls_.end() ? nullptr : found->second;
}

}  // namespace gantry::driverhost
