#include "core/buildkit/engine_line.hpp"

#include <sys/socket.h>

#include "core/base/files.hpp"

namespace gantry::buildkit {
namespace {
constexpr std::size_t most_answer = 64u << 20;
}

Result<UniqueFd> EngineLine::open(const Json& message) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return fail_errno("make a socket pair");
    UniqueFd ours(ends[0]), theirs(ends[1]);
    GANTRY_CHECK(send(message, {theirs.get()}).context("reach the engine"));
    return ours;
}

Result<UniqueFd> EngineLine::open_build() { return open({{"type", "build"}}); }

Result<Json> EngineLine::ask(const Json& question) {
    GANTRY_TRY(UniqueFd socket, open(question));
    GANTRY_TRY(const std::string text, read_all(socket.get(), most_answer));
    Json answer = Json::parse(text, nullptr, false);
    if (answer.is_array()) return answer;
    if (answer.is_object() && answer.contains("message") && answer["message"].is_string())
        return fail(Code::invalid, answer["message"]);
    return fail(Code::internal, "the engine does not answer");
}

}  // namespace gantry::buildkit
