#include "core/cli/build/key_agent.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "core/base/files.hpp"

namespace gantry::cli {
namespace {

constexpr int agent_starts_ms = 10'000;
// Should this program be killed, the agent forgets the keys by itself.
constexpr const char* longest_build = "86400";

// It says where it listens once it does.
Result<void> wait_for_agent(int output) {
    pollfd said{output, POLLIN, 0};
    int got = 0;
    while ((got = ::poll(&said, 1, agent_starts_ms)) < 0 && errno == EINTR) {
    }
    char byte = 0;
    if (got <= 0 || ::read(output, &byte, 1) != 1) return fail(Code::internal, "ssh-agent does not start");
    return {};
}

}  // namespace

Result<bool> is_private_key(const std::string& path) {
    GANTRY_TRY(UniqueFd file, open_file(path, O_RDONLY | O_NONBLOCK));
    std::string head(128, '\0');
    const ssize_t n = ::read(file.get(), head.data(), head.size());
    if (n < 0) return fail_errno("read \"" + path + "\"");
    head.resize(static_cast<std::size_t>(n));
    const std::string first = head.substr(0, head.find('\n'));
    return first.starts_with("-----BEGIN ") && first.find("PRIVATE KEY-----") != std::string::npos;
}

Result<std::shared_ptr<KeyAgent>> KeyAgent::start(const std::vector<std::string>& keys) {
    auto agent = std::make_shared<KeyAgent>();
    GANTRY_TRY(agent->directory_, TemporaryDirectory::create());
    agent->socket_ = agent->directory_.path() + "/agent.sock";
    GANTRY_TRY(UniqueFd nothing, open_file("/dev/null", O_RDONLY));
    auto started = Child::start({"ssh-agent", "-D", "-t", longest_build, "-a", agent->socket_},
                                Child::Streams::output_only, nothing.get());
    if (!started) return std::move(started).error().context("ssh-agent");
    agent->agent_ = std::move(*started);
    GANTRY_CHECK(wait_for_agent(agent->agent_.output().get()));
    std::vector<std::string> words{"env", "SSH_AUTH_SOCK=" + agent->socket_, "ssh-add", "-q", "--"};
    words.insert(words.end(), keys.begin(), keys.end());
    auto added = Child::start(words, Child::Streams::output_only, nothing.get());
    if (!added) return std::move(added).error().context("ssh-add");
    GANTRY_TRY(int code, added->wait(-1));
    if (code == 127) return fail(Code::not_found, "ssh-add: there is no such program in PATH");
    if (code != 0) return fail(Code::invalid, "ssh-add could not add the key, status " + std::to_string(code));
    return agent;
}

}  // namespace gantry::cli
