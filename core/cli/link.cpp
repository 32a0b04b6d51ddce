#include "core/cli/link.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/cli/programs.hpp"
#include "core/cli/spawn.hpp"

extern char** environ;

namespace gantry::cli {
namespace {

constexpr std::size_t words_limit = 64u << 10;

std::vector<std::string> tcp_command(const Endpoint& endpoint) {
    std::vector<std::string> command{"tcp", endpoint.host, std::to_string(endpoint.port)};
    const Tls& tls = endpoint.tls;
    if (!tls.on) return command;
    command.emplace_back("--tls");
    if (!tls.verify) command.emplace_back("--no-verify");
    for (const auto& [option, file] : {std::pair{"--ca", &tls.ca}, {"--cert", &tls.certificate}, {"--key", &tls.key}})
        if (!file->empty()) command.insert(command.end(), {option, *file});
    return command;
}

// The last line that says something: ssh and shells say why there, after warnings.
std::string last_line(const std::string& words) {
    std::string last;
    for (std::string_view line : split(words, '\n'))
        if (!trim(line).empty()) last = trim(line);
    return last;
}

}  // namespace

Result<Link> Link::dial(const Endpoint& endpoint) {
    const std::string dial = find_program("gantry-dial");
    if (dial.empty())
        return fail(Code::not_found, "Cannot connect to the Gantry daemon at " + endpoint.url() +
                                         ": no gantry-dial beside this program, in /usr/lib/gantry or /usr/bin");
    std::vector<std::string> words{dial};
    if (endpoint.kind == Endpoint::Kind::ssh) {
        words.emplace_back("run");
        for (std::string& word : endpoint.ssh_command()) words.push_back(std::move(word));
    } else {
        for (std::string& word : tcp_command(endpoint)) words.push_back(std::move(word));
    }
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return fail_errno("socketpair");
    Link link{UniqueFd(ends[0])};
    UniqueFd theirs(ends[1]);
    link.url_ = endpoint.url();
    link.words_.reset(::memfd_create("words", MFD_CLOEXEC));
    if (!link.words_) return fail_errno("memfd_create");
    Spawn spawn;
    // A session of its own: what is typed at the terminal (Ctrl-C) is for the engine and not for the carrier.
    GANTRY_CHECK(spawn.new_session());
    ::posix_spawn_file_actions_adddup2(spawn.actions(), theirs.get(), 0);
    ::posix_spawn_file_actions_adddup2(spawn.actions(), theirs.get(), 1);
    ::posix_spawn_file_actions_adddup2(spawn.actions(), link.words_.get(), 2);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, argv[0], spawn.actions(), spawn.attributes(), argv.data(), environ);
    if (error != 0) return fail_errno("start \"" + dial + "\"", error);
    link.carrier_ = pid;
    return link;
}

Link& Link::operator=(Link&& other) noexcept {
    if (this == &other) return *this;
    close();
    socket_ = std::move(other.socket_);
    words_ = std::move(other.words_);
    carrier_ = std::exchange(other.carrier_, 0);
    url_ = std::move(other.url_);
    return *this;
}

bool Link::ended(int timeout_ms) {
    if (carrier_ <= 0) return true;
    UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, carrier_, 0)));
    pollfd waiting{handle.get(), POLLIN, 0};
    int got = 0;
    while (handle && (got = ::poll(&waiting, 1, timeout_ms)) < 0 && errno == EINTR) {
    }
    if (handle && got == 0) return false;
    while (::waitpid(carrier_, nullptr, 0) < 0 && errno == EINTR) {
    }
    carrier_ = 0;
    return true;
}

void Link::close() {
    socket_.reset();
    if (ended(200)) return;
    ::kill(carrier_, SIGTERM);
    if (ended(1000)) return;
    ::kill(carrier_, SIGKILL);
    (void)ended(-1);
}

Error Link::why() {
    (void)ended(1000);
    std::string said;
    if (words_ && ::lseek(words_.get(), 0, SEEK_SET) == 0)
        if (auto text = read_all(words_.get(), words_limit)) said = last_line(*text);
    return fail(Code::retry_later, "Cannot connect to the Gantry daemon at " + url_ + ": " +
                                       (said.empty() ? "the connection ended without an answer" : said));
}

}  // namespace gantry::cli
