#include "core/cli/credential_helper.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "core/cli/child.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/registry_host.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t answer_limit = 1u << 20;
// The user name that stands for an identity token, and the words for "not there": both of the helpers' protocol.
constexpr std::string_view token_user = "<token>";
constexpr std::string_view not_there = "credentials not found in native keychain";

}  // namespace

Result<CredentialHelper> CredentialHelper::create(std::string name, int timeout_ms) {
    if (name.find('/') != std::string::npos || name.find('\0') != std::string::npos || name.size() > 200)
        return fail(Code::invalid,
                    "credential helper \"" + name + "\" in config.json: want NAME of a program docker-credential-NAME");
    CredentialHelper helper;
    helper.program_ = "docker-credential-" + name;
    helper.timeout_ms_ = timeout_ms;
    return helper;
}

Result<CredentialHelper::Answer> CredentialHelper::run(const char* verb, std::string_view input) const {
    const std::string what = "credential helper \"" + program_ + "\" (" + verb + ")";
    GANTRY_TRY(Child child, Child::start({program_, verb}, Child::Streams::both).context(what));
    const std::int64_t end = monotonic_ns() + std::int64_t{timeout_ms_} * 1000000;
    Answer answer;
    while (child.output()) {
        const std::int64_t left = (end - monotonic_ns()) / 1000000;
        pollfd ready[2] = {{child.output().get(), POLLIN, 0}, {child.input() ? child.input().get() : -1, POLLOUT, 0}};
        if (left <= 0 || ::poll(ready, 2, static_cast<int>(left)) == 0) {
            child.kill();
            return fail(Code::deadline,
                        what + " does not answer within " + std::to_string(timeout_ms_ / 1000.0).substr(0, 4) + " s");
        }
        if (ready[1].revents) {
            ssize_t n = ::write(child.input().get(), input.data(), input.size());
            if (n > 0) input.remove_prefix(static_cast<std::size_t>(n));
            // One that does not want to hear it all may answer all the same.
            if ((n < 0 && errno != EAGAIN && errno != EINTR) || input.empty()) child.input().reset();
        }
        if (!ready[0].revents) continue;
        char block[8192];
        ssize_t n = ::read(child.output().get(), block, sizeof block);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n <= 0) break;
        answer.text.append(block, static_cast<std::size_t>(n));
        if (answer.text.size() > answer_limit) {
            child.kill();
            return fail(Code::exhausted, what + " answers with more than 1 MiB");
        }
    }
    // It has closed its output; what it does afterwards counts against the same deadline.
    auto code = child.wait(static_cast<int>(std::max<std::int64_t>(1, (end - monotonic_ns()) / 1000000)));
    if (!code) return std::move(code).error().context(what);
    answer.success = *code == 0;
    answer.text = trim(answer.text);
    if (answer.success) return answer;
    if (answer.text == not_there) return answer;
    return fail(Code::internal, what + " failed" +
                                    (answer.text.empty() ? " with exit code " + std::to_string(*code)
                                                         : ": " + answer.text.substr(0, 300)));
}

Result<Credentials> CredentialHelper::get(std::string_view registry) const {
    GANTRY_TRY(Answer answer, run("get", registry));
    if (!answer.success) return Credentials{};
    Json document = parse_json(answer.text);
    const std::string what = "credential helper \"" + program_ + "\" (get)";
    if (!document.is_object()) return fail(Code::corrupt, what + " answers with what is not a JSON object");
    const std::string server = text_at(document, "ServerURL");
    // Another registry's password must not be sent to this one.
    if (!server.empty() && registry_of_server(server) != registry)
        return fail(Code::denied,
                    what + " was asked for \"" + std::string(registry) + "\" and answers for \"" + server + "\"");
    Credentials found{text_at(document, "Username"), text_at(document, "Secret"), {}};
    if (found.username == token_user) return Credentials{{}, {}, found.password};
    return found;
}

Result<void> CredentialHelper::store(std::string_view registry, const Credentials& credentials) const {
    const bool token = !credentials.identity_token.empty();
    Json document{{"ServerURL", registry},
                  {"Username", token ? std::string(token_user) : credentials.username},
                  {"Secret", token ? credentials.identity_token : credentials.password}};
    GANTRY_TRY(Answer answer, run("store", document.dump(-1, ' ', false, Json::error_handler_t::replace)));
    if (!answer.success)
        return fail(Code::internal, "credential helper \"" + program_ + "\" (store) failed: " + answer.text);
    return {};
}

Result<void> CredentialHelper::erase(std::string_view registry) const {
    GANTRY_TRY(Answer answer, run("erase", registry));
    return {};
}

}  // namespace gantry::cli
