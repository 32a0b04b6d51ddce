#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/unix_socket.hpp"
#include "core/cli/build/session.hpp"
#include "core/cli/credentials.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/registry_host.hpp"

namespace gantry::cli {

Result<void> BuildSession::answer_secret(const Json& header) {
    const Json& id = member(header, "id");
    const std::string name = text_at(header, "secret");
    auto found = std::find_if(options_.secrets.begin(), options_.secrets.end(),
                              [&](const BuildSecret& secret) { return secret.id == name; });
    if (found == options_.secrets.end())
        return failed(id, "secret \"" + name + "\" was not given (--secret id=" + name + ")");
    auto value = read_secret(*found);
    if (!value) return failed(id, value.error().text);
    return send({{"type", "value"}, {"id", id}}, *value);
}

Result<void> BuildSession::answer_auth(const Json& header) {
    const Json& id = member(header, "id");
    const std::string registry = registry_of_server(text_at(header, "registry"));
    auto known = credentials_.find(registry);
    if (known == credentials_.end()) {
        auto found = find_credentials(registry);
        if (!found) return failed(id, found.error().text);
        known = credentials_
                    .emplace(registry, Json{{"username", found->username},
                                            {"password", found->password},
                                            {"identitytoken", found->identity_token}})
                    .first;
    }
    Json answer = known->second;
    answer["type"] = "auth";
    answer["id"] = id;
    return send(answer);
}

Result<void> BuildSession::connect_agent(const Json& header) {
    const Json& id = member(header, "id");
    const std::string name = text_at(header, "agent");
    auto found = std::find_if(options_.agents.begin(), options_.agents.end(),
                              [&](const SshAgent& agent) { return agent.id == name; });
    if (found == options_.agents.end())
        return failed(id, "SSH agent \"" + name + "\" was not given (--ssh " + name + ")");
    if (agents_.size() >= 100 || agents_.count(id.dump())) return failed(id, "too many connections to SSH agents");
    auto socket = connect_unix(found->socket, SOCK_STREAM);
    if (!socket) return failed(id, "SSH agent \"" + name + "\": " + socket.error().text);
    if (::fcntl(socket->get(), F_SETFL, O_NONBLOCK) != 0)
        return failed(id, "SSH agent \"" + name + "\": cannot be used");
    agents_[id.dump()].socket = std::move(*socket);
    return {};
}

Result<void> BuildSession::agent_ready(const std::string& key, Agent& agent, short events) {
    const Json id = parse_json(key);
    if ((events & POLLOUT) && !agent.to_write.empty()) {
        ssize_t n =
            ::send(agent.socket.get(), agent.to_write.data(), agent.to_write.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) agent.to_write.erase(0, static_cast<std::size_t>(n));
        if (n < 0 && errno != EAGAIN && errno != EINTR) events = static_cast<short>(events | POLLERR);
    }
    bool over = agent.closing && agent.to_write.empty();
    if (!over && (events & (POLLIN | POLLHUP | POLLERR))) {
        char block[32768];
        ssize_t n = ::recv(agent.socket.get(), block, sizeof block, MSG_DONTWAIT);
        if (n > 0)
            return send({{"type", "ssh-data"}, {"id", id}}, std::string_view(block, static_cast<std::size_t>(n)));
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
        GANTRY_CHECK(send({{"type", "ssh-end"}, {"id", id}}));
        over = true;
    }
    if (over) agents_.erase(key);
    return {};
}

Result<void> BuildSession::open_output(const Json& header) {
    const Json& id = member(header, "id");
    const bool cache = header.contains("cache_to");
    const char* key = cache ? "cache_to" : "output";
    const Json& number = member(header, key);
    const auto index = static_cast<std::size_t>(number_at(header, key));
    BuildOutput wanted;
    if (number.is_number_unsigned() && cache && index < options_.caches_to.size() &&
        text_at(options_.caches_to[index], "type") == "local")
        wanted = {BuildOutput::Target::directory, text_at(options_.caches_to[index], "dest"), {}};
    else if (number.is_number_unsigned() && !cache && index < options_.outputs.size())
        wanted = options_.outputs[index];
    if (wanted.target == BuildOutput::Target::engine) return failed(id, "there is no such output on this client");
    if (outputs_.count(id.dump())) return failed(id, "the output is open already");
    auto sink = OutputSink::create(wanted);
    if (!sink) {
        outputs_[id.dump()] = nullptr;
        return failed(id, sink.error().text);
    }
    outputs_[id.dump()] = std::move(*sink);
    return {};
}

Result<void> BuildSession::output_data(const Frame& frame) {
    const Json& id = member(frame.header, "id");
    auto found = outputs_.find(id.dump());
    if (found == outputs_.end()) return failed(id, "the output is not open");
    // What it was told has failed, and data was on its way.
    if (!found->second) return {};
    const bool last = flag_at(frame.header, "eof");
    auto done = found->second->push(frame.body);
    if (done && last) done = found->second->finish();
    if (!done) {
        found->second = nullptr;
        return failed(id, done.error().text);
    }
    if (!last) return {};
    if (std::string note = found->second->note(); !note.empty()) notes_.push_back(note);
    outputs_.erase(found);
    return send({{"type", "end"}, {"id", id}});
}

}  // namespace gantry::cli
