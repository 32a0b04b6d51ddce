#include "core/buildkit/answers.hpp"

#include "core/base/text.hpp"
#include "core/buildkit/text_member.hpp"

namespace gantry::buildkit {

Answers::~Answers() {
    {
        std::lock_guard lock(mutex_);
        for (auto& [id, agent] : agents_) agent->end();
    }
    for (auto& [number, thread] : threads_) thread.join();
}

void Answers::take(build::Frame frame) {
    const std::string type = frame.type();
    if (type == "ssh-data" || type == "ssh-end") return agent_frame(frame);
    reap();
    const std::uint64_t number = next_++;
    threads_[number] = std::thread([this, number, request = std::move(frame)] {
        answer(request);
        std::lock_guard lock(mutex_);
        over_.push_back(number);
    });
}

// Threads that have ended.
void Answers::reap() {
    std::vector<std::uint64_t> over;
    {
        std::lock_guard lock(mutex_);
        over.swap(over_);
    }
    for (std::uint64_t number : over) {
        threads_[number].join();
        threads_.erase(number);
    }
}

void Answers::answer(const build::Frame& request) {
    auto answered = try_answer(request);
    if (answered) return;
    (void)engine_.send({{"type", "failed"}, {"id", request.header["id"]}, {"message", answered.error().text}});
}

Result<void> Answers::try_answer(const build::Frame& request) {
    const std::string type = request.type();
    if (type == "walk" || type == "fetch") return answer_files(request);
    if (type == "secret") return answer_secret(request);
    if (type == "auth") return answer_login(request);
    if (type == "ssh") return serve_agent(request);
    return fail(Code::unsupported, "a client of BuildKit cannot answer " + quote_json(type.substr(0, 50)));
}

Result<void> Answers::answer_files(const build::Frame& request) {
    const Json& id = request.header["id"];
    const std::string context = text_of(request.header, "context");
    auto directory = wish_.locals.find(context);
    if (directory == wish_.locals.end()) return fail(Code::not_found, "there is no directory " + quote_json(context));
    const auto paths = texts_of(request.header, "paths");
    auto send_file = [&](const std::string& path, std::string_view bytes, bool end) -> Result<void> {
        Json header{{"type", "data"}, {"id", id}, {"path", path}};
        for (; bytes.size() > build::most_body; bytes.remove_prefix(build::most_body))
            GANTRY_CHECK(engine_.send(header, bytes.substr(0, build::most_body)));
        if (end) header["eof"] = true;
        return engine_.send(header, bytes);
    };
    auto send_entries = [&](Json entries) {
        return engine_.send({{"type", "entries"}, {"id", id}, {"entries", std::move(entries)}});
    };
    if (request.type() == "fetch")
        GANTRY_CHECK(files_.fetch(directory->second, paths, send_file));
    else
        GANTRY_CHECK(files_.walk(directory->second, paths, texts_of(request.header, "exclude"), send_entries));
    return engine_.send({{"type", "end"}, {"id", id}});
}

Result<void> Answers::answer_secret(const build::Frame& request) {
    const Json& id = request.header["id"];
    GANTRY_TRY(auto value, session_.secret(text_of(request.header, "secret")));
    if (!value) return engine_.send({{"type", "value"}, {"id", id}, {"absent", true}});
    if (value->size() > build::most_body) return fail(Code::exhausted, "the secret is larger than 500 KiB");
    return engine_.send({{"type", "value"}, {"id", id}}, *value);
}

Result<void> Answers::answer_login(const build::Frame& request) {
    GANTRY_TRY(Login login, session_.login(text_of(request.header, "registry")));
    return engine_.send({{"type", "auth"},
                         {"id", request.header["id"]},
                         {"username", login.username},
                         {"password", login.password},
                         {"identitytoken", login.identity_token}});
}

Result<void> Answers::serve_agent(const build::Frame& request) {
    const Json& id = request.header["id"];
    GANTRY_TRY(std::shared_ptr<SshAgent> agent, SshAgent::open(session_, text_of(request.header, "agent")));
    if (!agent) return engine_.send({{"type", "ssh-absent"}, {"id", id}});
    {
        std::lock_guard lock(mutex_);
        agents_[id.dump()] = agent;
    }
    auto opened = engine_.send({{"type", "ssh-open"}, {"id", id}});
    if (opened)
        agent->read([&](std::string_view bytes) {
            const Json header{{"type", "ssh-data"}, {"id", id}};
            for (; bytes.size() > build::most_body; bytes.remove_prefix(build::most_body))
                if (!engine_.send(header, bytes.substr(0, build::most_body))) return false;
            return static_cast<bool>(engine_.send(header, bytes));
        });
    {
        std::lock_guard lock(mutex_);
        agents_.erase(id.dump());
    }
    (void)engine_.send({{"type", "ssh-end"}, {"id", id}});
    return {};
}

void Answers::agent_frame(const build::Frame& frame) {
    std::shared_ptr<SshAgent> agent;
    {
        std::lock_guard lock(mutex_);
        if (auto found = agents_.find(frame.header["id"].dump()); found != agents_.end()) agent = found->second;
    }
    if (!agent) return;  // it has ended meanwhile
    if (frame.type() == "ssh-end" || !agent->write(frame.body)) agent->end();
}

}  // namespace gantry::buildkit
