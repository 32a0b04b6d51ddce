#include "core/container/monitor_client.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gantry/driver.hpp>

#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/container/monitor_link.hpp"
#include "core/monitor/wire.hpp"

namespace gantry::container {
namespace {

// A driver has 30 s for an operation; the monitor answers after that at the latest.
constexpr std::chrono::seconds answer_deadline{40};

}  // namespace

Result<ExitRecord> read_exit_record(const std::string& exit_file) {
    GANTRY_TRY(std::string text, read_file(exit_file, 4096));
    Json json = Json::parse(text, nullptr, false);
    if (!json.is_object() || !json.contains("exit_code") || !json["exit_code"].is_number_integer())
        return fail(Code::corrupt, "exit record \"" + exit_file + "\" is damaged");
    return ExitRecord{member<int>(json, "exit_code", 255), member<std::int64_t>(json, "started_ns"),
                      member<std::int64_t>(json, "finished_ns"), member<bool>(json, "oom_killed")};
}

Json describe_attachment(const Monitor::Attachment& attachment, const std::string& prefix,
                         std::vector<std::pair<std::string, int>>& fds, std::vector<UniqueFd>& keep) {
    static constexpr const char* names[3] = {"stdin", "stdout", "stderr"};
    if (attachment.client) fds.emplace_back(prefix + "client", attachment.client.get());
    for (std::size_t i = 0; i < attachment.raw.size() && i < 3; ++i)
        if (attachment.raw[i]) fds.emplace_back(prefix + names[i], attachment.raw[i].get());
    if (!attachment.early.empty()) {
        UniqueFd early(::memfd_create("gantry-early", MFD_CLOEXEC));
        if (early && write_all(early.get(), attachment.early)) fds.emplace_back(prefix + "early", early.get());
        keep.push_back(std::move(early));
    }
    return {{"in", attachment.in},
            {"out", attachment.out},
            {"error", attachment.error},
            {"detach_keys", to_hex(attachment.detach_keys)}};
}

MonitorLink::~MonitorLink() {
    if (auto links = links_.lock()) links->remove(*this);
}

Result<Json> MonitorLink::request(Json body, const std::vector<std::pair<std::string, int>>& fds) {
    std::unique_lock lock(mutex_);
    if (closed_) return fail(Code::not_found, "container \"" + identity_.id + "\" has ended");
    std::uint64_t sequence = next_sequence_++;
    if (body["op"] == "start") start_sequence_ = sequence;
    body["seq"] = sequence;
    waiting_.emplace(sequence, std::nullopt);
    lock.unlock();
    auto sent = monitor::send_with_fds(connection_.get(), std::move(body), fds);
    lock.lock();
    if (!sent) {
        waiting_.erase(sequence);
        if (sent.error().system_errno == EPIPE || sent.error().system_errno == ECONNRESET ||
            sent.error().system_errno == ENOTCONN)
            return fail(Code::not_found, "container \"" + identity_.id + "\" has ended");
        return std::move(sent).error();
    }
    auto& answer = waiting_[sequence];
    bool came = changed_.wait_for(lock, answer_deadline, [&] { return answer.has_value() || closed_; });
    std::optional<Result<Json>> result = std::move(answer);
    waiting_.erase(sequence);
    if (result) return std::move(*result);
    if (came) return fail(Code::not_found, "container \"" + identity_.id + "\" has ended");
    return fail(Code::deadline, "the monitor of container \"" + identity_.id + "\" did not answer");
}

Result<void> MonitorLink::start() {
    auto done = request({{"op", "start"}});
    if (done) return {};
    std::lock_guard lock(mutex_);
    start_failed_ = true;  // also where no answer came
    return std::move(done).error();
}

Result<void> MonitorLink::signal(int number, bool all) {
    GANTRY_CHECK([&]() -> Result<void> {
        GANTRY_TRY([[maybe_unused]] Json answer, request({{"op", "signal"}, {"signal", number}, {"all", all}}));
        return {};
    }());
    return {};
}

Result<int> MonitorLink::exec(std::string_view exec_id, const Json& process, bool terminal, std::string_view seccomp,
                              Attachment attachment) {
    std::vector<std::pair<std::string, int>> fds;
    std::vector<UniqueFd> keep;
    Json described = describe_attachment(attachment, "", fds, keep);
    GANTRY_TRY(Json answer, request({{"op", "exec"},
                                     {"exec_id", exec_id},
                                     {"process", process},
                                     {"terminal", terminal},
                                     {"seccomp", seccomp},
                                     {"attachment", described}},
                                    fds));
    return member<int>(answer, "pid");
}

Result<void> MonitorLink::attach(Attachment attachment) {
    std::vector<std::pair<std::string, int>> fds;
    std::vector<UniqueFd> keep;
    Json described = describe_attachment(attachment, "", fds, keep);
    GANTRY_TRY([[maybe_unused]] Json answer, request({{"op", "attach"}, {"attachment", described}}, fds));
    return {};
}

Result<void> MonitorLink::resize(std::string_view exec_id, int rows, int columns) {
    GANTRY_TRY([[maybe_unused]] Json answer,
               request({{"op", "resize"}, {"exec_id", exec_id}, {"rows", rows}, {"columns", columns}}));
    return {};
}

Result<Json> MonitorLink::driver_call(std::string_view table, std::string_view operation, Json parameters) {
    GANTRY_TRY(
        Json answer,
        request({{"op", "driver"}, {"table", table}, {"operation", operation}, {"request", std::move(parameters)}}));
    return member<Json>(answer, "result", Json::object());
}

void MonitorLink::wait_removed() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_; });
}

void MonitorLink::wait_gone() {
    wait_removed();
    if (!identity_.process) return;
    pollfd process{identity_.process.get(), POLLIN, 0};
    while (::poll(&process, 1, -1) < 0 && errno == EINTR) {
    }
}

void MonitorLink::acknowledge(std::uint64_t number) {
    (void)send_message(connection_.get(), {{"op", "seen"}, {"number", number}});
}

std::optional<MonitorLink::Told> MonitorLink::received(Message message) {
    const Json& body = message.body;
    std::string name = member<std::string>(body, "event");
    if (name.empty()) {
        std::lock_guard lock(mutex_);
        auto waiting = waiting_.find(member<std::uint64_t>(body, "seq"));
        if (waiting == waiting_.end()) return std::nullopt;
        if (body.contains("error")) {
            // Known at once: the end of the connection may be read before the one who waits has woken up.
            start_failed_ = start_failed_ || waiting->first == start_sequence_;
            waiting->second = Result<Json>(monitor::error_from_json(body["error"]));
        } else {
            waiting->second = Result<Json>(std::move(message.body));
        }
        changed_.notify_all();
        return std::nullopt;
    }
    MonitorEvent event{MonitorEvent::Type::exited, member<std::string>(body, "exec_id"),
                       member<int>(body, "exit_code", 255), member<std::int64_t>(body, "time_ns"),
                       member<bool>(body, "oom_killed")};
    if (name == "exec_exited") {
        event.type = MonitorEvent::Type::exec_exited;
    } else if (name == "oom") {
        event.type = MonitorEvent::Type::oom;
    } else if (name == "exited") {
        std::lock_guard lock(mutex_);
        told_end_ = true;
    } else {
        return std::nullopt;
    }
    return Told{std::move(event), member<std::uint64_t>(body, "number")};
}

std::optional<MonitorEvent> MonitorLink::closed() {
    bool tell = false;
    {
        std::lock_guard lock(mutex_);
        if (closed_) return std::nullopt;
        closed_ = true;
        tell = !told_end_ && !start_failed_;
        // A start under way tells its caller by itself.
        changed_.notify_all();
    }
    if (!tell) return std::nullopt;
    MonitorEvent event{MonitorEvent::Type::lost, "", 255, 0, false};
    if (auto record = read_exit_record(identity_.exit_file)) {
        event.type = MonitorEvent::Type::exited;
        event.exit_code = record->exit_code;
        event.time_ns = record->finished_ns;
        event.oom_killed = record->oom_killed;
    }
    return event;
}

}  // namespace gantry::container
