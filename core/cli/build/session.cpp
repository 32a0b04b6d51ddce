#include "core/cli/build/session.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "core/base/files.hpp"
#include "core/base/unix_socket.hpp"
#include "core/cli/json_access.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t send_limit = 4u << 20, request_limit = 1000, agent_limit = 1u << 20;
constexpr int tick_ms = 100;

}  // namespace

Result<BuildEnd> BuildSession::run(const Json& message) {
    GANTRY_CHECK(send(message));
    reader_.push(connection_.take_early());
    while (!end_) GANTRY_CHECK(turn());
    end_->notes = notes_;
    return std::move(*end_);
}

Result<void> BuildSession::send(const Json& header, std::string_view body) {
    GANTRY_TRY(std::string frame, encode_frame(header, body));
    to_send_ += frame;
    return {};
}

Result<void> BuildSession::failed(const Json& id, const std::string& message) {
    return send({{"type", "failed"}, {"id", id}, {"message", message}});
}

// One turn of the loop: what has come is taken, what can go is sent, and then what there is time for is prepared.
Result<void> BuildSession::turn() {
    for (;;) {
        GANTRY_TRY(std::optional<Frame> frame, reader_.next());
        if (!frame) break;
        GANTRY_CHECK(take(std::move(*frame)));
        if (end_) return {};
    }
    GANTRY_CHECK(work());
    const bool writing = sent_ < to_send_.size();
    std::vector<pollfd> ready{{connection_.fd(), static_cast<short>(writing ? POLLIN | POLLOUT : POLLIN), 0},
                              {interrupt_.fd(), POLLIN, 0}};
    std::vector<std::string> keys;
    for (auto& [key, agent] : agents_) {
        // An agent that is faster than the engine waits.
        short events = to_send_.size() - sent_ < send_limit ? POLLIN : 0;
        if (!agent.to_write.empty()) events = static_cast<short>(events | POLLOUT);
        ready.push_back({agent.socket.get(), events, 0});
        keys.push_back(key);
    }
    const bool more_work = !jobs_.empty() && to_send_.size() - sent_ < send_limit;
    if (::poll(ready.data(), ready.size(), more_work ? 0 : tick_ms) < 0 && errno != EINTR) return fail_errno("poll");
    if (ready[1].revents && interrupt_.take() != 0) return fail(Code::cancelled, "the build was cancelled");
    if (ready[0].revents & (POLLIN | POLLHUP | POLLERR)) GANTRY_CHECK(read_more());
    if (ready[0].revents & POLLOUT) GANTRY_CHECK(write_more());
    for (std::size_t i = 0; i < keys.size(); ++i)
        if (auto found = agents_.find(keys[i]); ready[i + 2].revents && found != agents_.end())
            GANTRY_CHECK(agent_ready(keys[i], found->second, ready[i + 2].revents));
    view_.tick();
    return {};
}

Result<void> BuildSession::work() {
    while (!jobs_.empty() && to_send_.size() - sent_ < send_limit) {
        // In turns, so that a small question is not behind a large one.
        std::unique_ptr<Job> job = std::move(jobs_.front());
        jobs_.pop_front();
        std::string out;
        auto more = job->step(out);
        to_send_ += out;
        if (!more)
            GANTRY_CHECK(failed(job->id(), more.error().text));
        else if (*more)
            jobs_.push_back(std::move(job));
        if (out.size() > send_limit / 4) break;
    }
    return {};
}

Result<void> BuildSession::read_more() {
    char block[65536];
    ssize_t n = ::recv(connection_.fd(), block, sizeof block, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return {};
    if (n < 0 && errno != ECONNRESET) return fail_errno("receive from the daemon");
    if (n <= 0) return fail(Code::internal, "lost the connection to the daemon; the build was cancelled");
    reader_.push(std::string_view(block, static_cast<std::size_t>(n)));
    return {};
}

Result<void> BuildSession::write_more() {
    ssize_t n = ::send(connection_.fd(), to_send_.data() + sent_, to_send_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return {};
    // The engine may have said why before it closed: that is read first.
    if (n < 0 && errno == EPIPE) {
        to_send_.clear();
        sent_ = 0;
        return {};
    }
    if (n < 0) return fail_errno("send to the daemon");
    sent_ += static_cast<std::size_t>(n);
    if (sent_ == to_send_.size() || sent_ > send_limit) {
        to_send_.erase(0, sent_);
        sent_ = 0;
    }
    return {};
}

Result<void> BuildSession::take(Frame frame) {
    const std::string type = text_at(frame.header, "type");
    if (type == "step" || type == "log" || type == "progress" || type == "warning") return state_.take(frame);
    if (type == "done" || type == "error") {
        view_.frame(frame);
        end_.emplace();
        end_->success = type == "done";
        end_->result = member(frame.header, "result");
        if (type == "error") end_->error = state_.error_of(frame.header);
        return {};
    }
    return ask(frame, type);
}

Result<void> BuildSession::ask(const Frame& frame, const std::string& type) {
    const Json& id = member(frame.header, "id");
    if (!id.is_number()) return fail(Code::corrupt, "the engine sent a \"" + type.substr(0, 50) + "\" without an id");
    if (type == "walk" || type == "fetch") {
        if (jobs_.size() >= request_limit) return failed(id, "too many requests at once");
        auto job = job_for(frame.header, type);
        if (!job) return failed(id, job.error().text);
        jobs_.push_back(std::move(*job));
        return {};
    }
    if (type == "secret") return answer_secret(frame.header);
    if (type == "auth") return answer_auth(frame.header);
    if (type == "ssh") return connect_agent(frame.header);
    if (type == "output") return open_output(frame.header);
    if (type == "output-data") return output_data(frame);
    if (type == "ssh-data" || type == "ssh-end") {
        // One that has closed meanwhile hears no more.
        auto found = agents_.find(id.dump());
        if (found == agents_.end()) return {};
        Agent& agent = found->second;
        agent.closing = agent.closing || type == "ssh-end";
        agent.to_write += frame.body;
        if (agent.to_write.size() > agent_limit)
            return fail(Code::exhausted, "an SSH agent does not read what is sent to it");
        return agent_ready(found->first, agent, POLLOUT);
    }
    return failed(id, "\"" + type.substr(0, 50) + "\" is not known to this client");
}

Result<int> BuildSession::root_of(const Json& header) {
    for (const auto& [key, caches, where] :
         {std::tuple{"cache_from", &options_.caches_from, "src"}, {"cache_to", &options_.caches_to, "dest"}}) {
        if (!header.contains(key)) continue;
        const Json& number = member(header, key);
        const auto index = static_cast<std::size_t>(number_at(header, key));
        if (!number.is_number_unsigned() || index >= caches->size() || text_at((*caches)[index], "type") != "local")
            return fail(Code::not_found, "there is no such cache on this client");
        const std::string path = text_at((*caches)[index], where);
        UniqueFd& root = cache_roots_[path];
        if (!root) {
            GANTRY_TRY(root, open_file(path, O_RDONLY | O_DIRECTORY));
        }
        return root.get();
    }
    const std::string name = text_at(header, "context");
    auto root = context_.roots.find(name);
    if (root == context_.roots.end())
        return fail(Code::not_found, "there is no context \"" + name + "\" on this client");
    return root->second.get();
}

Result<std::unique_ptr<Job>> BuildSession::job_for(const Json& header, const std::string& type) {
    GANTRY_TRY(int root, root_of(header));
    return type == "walk" ? WalkJob::create(root, header) : FetchJob::create(root, header);
}

}  // namespace gantry::cli
