#include "core/daemon/buildkit_helper.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/log.hpp"
#include "core/base/unix_socket.hpp"
#include "core/daemon/api/host_facts.hpp"
#include "core/daemon/api/info.hpp"

namespace gantry::daemon {
namespace {

constexpr auto take_within = std::chrono::seconds(10);
constexpr int end_within_ms = 3000;

std::string text_of(const Json& object, const char* key) {
    auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

struct BuildkitHelper::Helper {
    UniqueFd line;
    std::mutex mutex;  // all below
    std::condition_variable changed;
    std::map<std::uint64_t, std::optional<Result<void>>> answers;  // by the numbers that somebody waits for
    bool ended = false;
    UniqueFd pidfd;
    std::thread process, reader;

    ~Helper() {
        (void)::shutdown(line.get(), SHUT_RDWR);
        kill_if_stuck();
        if (reader.joinable()) reader.join();
        if (process.joinable()) process.join();
    }
    // It ends when its line does; what clients sent must not keep it from that.
    void kill_if_stuck() {
        UniqueFd running;
        {
            std::lock_guard lock(mutex);
            running = std::move(pidfd);
        }
        pollfd waiting{running.get(), POLLIN, 0};
        if (!running || ::poll(&waiting, 1, end_within_ms) != 0) return;
        log::error("gantry-buildkit does not end, and is killed");
        (void)::syscall(SYS_pidfd_send_signal, running.get(), SIGKILL, nullptr, 0);
    }
    // Sends it, and gives the answer; none: it has ended without one.
    std::optional<Result<void>> ask(const Json& message, std::uint64_t number, int connection) {
        {
            std::lock_guard lock(mutex);
            answers[number];
        }
        // A failure shows in the answer that does not come.
        (void)send_message(line.get(), message, {connection});
        std::unique_lock lock(mutex);
        changed.wait_for(lock, take_within, [&] { return ended || answers[number]; });
        std::optional<Result<void>> answer = std::move(answers[number]);
        answers.erase(number);
        if (!answer && !ended) answer = fail(Code::deadline, "gantry-buildkit does not take the connection");
        return answer;
    }
};

BuildkitHelper::BuildkitHelper(std::string program, image::Spawner spawn, Ask ask)
    : program_(std::move(program)), spawn_(std::move(spawn)), ask_(std::move(ask)) {}

BuildkitHelper::~BuildkitHelper() { close(); }

bool BuildkitHelper::there() const { return ::access(program_.c_str(), X_OK) == 0; }

void BuildkitHelper::close() {
    std::shared_ptr<Helper> helper;
    {
        std::lock_guard lock(mutex_);
        closing_ = true;
        helper = std::move(helper_);
    }
    // Whoever waits for an answer of it has one: it has ended.
    if (helper) (void)::shutdown(helper->line.get(), SHUT_RDWR);
}

Result<std::shared_ptr<BuildkitHelper::Helper>> BuildkitHelper::running() {
    if (closing_) return fail(Code::cancelled, "the engine ends");
    if (helper_) {
        std::lock_guard lock(helper_->mutex);
        if (!helper_->ended) return helper_;
    }
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return fail_errno("make a socket pair");
    auto helper = std::make_shared<Helper>();
    helper->line.reset(ends[0]);
    helper_ = helper;
    start(helper, UniqueFd(ends[1]));
    return helper;
}

void BuildkitHelper::start(const std::shared_ptr<Helper>& helper, UniqueFd theirs) {
    Helper* one = helper.get();
    one->reader = std::thread([this, one] { read(*one); });
    one->process = std::thread([this, one, socket = std::move(theirs)]() mutable {
        const int fds[3] = {socket.get(), -1, STDERR_FILENO};
        auto status = spawn_({program_, "--version", engine_version, "--architecture", read_host_facts().architecture},
                             {}, fds, 0, [one, &socket](int pid) {
                                 socket.reset();
                                 std::lock_guard lock(one->mutex);
                                 one->pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
                             });
        socket.reset();
        if (status && *status == 0) return;
        const std::string why = status ? "exit status " + std::to_string(*status) : status.error().text;
        log::error("gantry-buildkit has ended; builds of its clients have failed", {{"reason", why}});
    });
}

// The helper has read what clients sent: it is not believed more than they are.
void BuildkitHelper::read(Helper& helper) {
    for (;;) {
        auto message = receive_message(helper.line.get());
        if (!message || !message->body.is_object()) break;
        const std::string type = text_of(message->body, "type");
        if ((type == "build" || type == "usage" || type == "prune") && message->fds.size() == 1) {
            ask_(std::move(message->body), std::move(message->fds[0]));
            continue;
        }
        auto number = message->body.find("number");
        if (number == message->body.end() || !number->is_number_unsigned()) break;
        std::lock_guard lock(helper.mutex);
        auto waiting = helper.answers.find(number->get<std::uint64_t>());
        if (waiting == helper.answers.end()) continue;
        waiting->second = type == "taken"
                              ? Result<void>()
                              : Result<void>(fail(Code::busy, text_of(message->body, "message").substr(0, 2000)));
        helper.changed.notify_all();
    }
    (void)::shutdown(helper.line.get(), SHUT_RDWR);
    std::lock_guard lock(helper.mutex);
    helper.ended = true;
    helper.changed.notify_all();
}

Result<void> BuildkitHelper::hand_over(const Json& what, UniqueFd connection) {
    // One that ends of itself while the connection is on its way has not taken it: then another one does.
    for (int attempt = 0; attempt < 2; ++attempt) {
        std::shared_ptr<Helper> helper;
        Json message = what;
        std::uint64_t number = 0;
        {
            std::lock_guard lock(mutex_);
            GANTRY_TRY(helper, running());
            message["number"] = number = next_number_++;
        }
        if (auto answer = helper->ask(message, number, connection.get())) return *answer;
    }
    return fail(Code::internal, "gantry-buildkit does not start");
}

}  // namespace gantry::daemon
