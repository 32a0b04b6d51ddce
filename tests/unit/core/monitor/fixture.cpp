#include "fixture.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/unix_socket.hpp"
#include "core/monitor/log_format.hpp"

namespace gantry::monitor_test {

void MonitorTest::SetUp() {
    root_ = "/tmp/gantry-monitor-test-" + new_id().substr(0, 12);
    ASSERT_TRUE(make_directories(root_));
    connect();
}

void MonitorTest::TearDown() {
    for (auto& monitor : monitors_)
        if (monitor) ::kill(monitor->monitor_pid(), SIGKILL), ::kill(-monitor->pid(), SIGKILL);
    monitors_.clear();
    if (launcher_) launcher_->shut_down();
    launcher_.reset();
    std::filesystem::remove_all(root_);
}

int MonitorTest::launcher_pid() {
    auto connection = connect_unix(path("launcher.sock"), SOCK_SEQPACKET);
    EXPECT_TRUE(connection);
    EXPECT_TRUE(send_message(connection->get(), {{"op", "hello"}}));
    return receive_message(connection->get(), 5000).value().body.value("pid", 0);
}

void MonitorTest::connect() {
    launcher_.reset();
    Json settings{{"engine", "gtest"},
                  {"path", {GANTRY_TEST_DRIVERS}},
                  {"root", root_},
                  {"log_level", "warn"},
                  {"runtimes", {{"fake", Json::object()}}}};
    auto connected = Launcher::connect(root_, GANTRY_TEST_LAUNCHER, settings,
                                       [this](const std::string& id, const MonitorEvent& event) {
                                           std::this_thread::sleep_for(std::chrono::milliseconds(event_delay_ms_));
                                           {
                                               std::lock_guard lock(mutex_);
                                               events_.emplace_back(id, event);
                                           }
                                           changed_.notify_all();
                                       });
    ASSERT_TRUE(connected) << connected.error().text;
    launcher_ = std::move(*connected);
}

Json MonitorTest::process(const std::string& script) {
    return {{"args", {"/bin/sh", "-c", script}}, {"env", {"PATH=/usr/bin:/bin"}}, {"cwd", "/"}};
}

LaunchRequest MonitorTest::request(const std::string& id, const std::string& script) {
    LaunchRequest request;
    request.id = id;
    request.driver = "fake";
    request.bundle = path(id);
    request.run_dir = path(id);
    request.exit_file = path(id + "/exit.json");
    request.mounts = Json::array();
    request.log = {{"driver", "local"}, {"path", path(id + "/log")}, {"max_size", 20 << 20}, {"max_file", 3}};
    EXPECT_TRUE(make_directories(request.bundle));
    EXPECT_TRUE(write_file(request.bundle + "/config.json", Json{{"process", process(script)}}.dump()));
    return request;
}

std::shared_ptr<Monitor> MonitorTest::run(LaunchRequest request) {
    auto launched = launcher_->launch(std::move(request));
    EXPECT_TRUE(launched) << launched.error().text;
    if (!launched) return nullptr;
    monitors_.push_back(*launched);
    auto started = (*launched)->start();
    EXPECT_TRUE(started) << started.error().text;
    return *launched;
}

std::optional<MonitorEvent> MonitorTest::wait_event(const std::string& id, MonitorEvent::Type type, int timeout_ms) {
    std::unique_lock lock(mutex_);
    std::optional<MonitorEvent> found;
    changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] {
        for (auto& [container, event] : events_)
            if (container == id && event.type == type) found = event;
        return found.has_value();
    });
    return found;
}

std::string MonitorTest::logged(const std::string& id, int stream) const {
    std::string all;
    for (int i = 100; i >= 0; --i) {
        auto file = read_file(path(id + "/log/local.log" + (i ? "." + std::to_string(i) : "")), std::size_t{1} << 30);
        if (!file) continue;
        for (std::size_t at = 0; at + sizeof(monitor::LogHeader) <= file->size();) {
            monitor::LogHeader header;
            std::memcpy(&header, file->data() + at, sizeof header);
            EXPECT_EQ(header.magic, monitor::LogHeader::log_magic);
            EXPECT_EQ(header.check, log_check(header));
            if (header.magic != monitor::LogHeader::log_magic) return all;
            if (stream == 0 || stream == header.stream) all.append(*file, at + sizeof header, header.length);
            at += sizeof header + header.length;
        }
    }
    return all;
}

Pair socket_pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Pair pipe_pair() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::string read_until(int fd, std::size_t enough, int timeout_ms) {
    std::string all;
    char block[65536];
    while (all.size() < enough) {
        pollfd waiting{fd, POLLIN, 0};
        if (::poll(&waiting, 1, timeout_ms) == 0) {
            ADD_FAILURE() << "no more came after " << all.size() << " bytes";
            break;
        }
        ssize_t n = ::read(fd, block, sizeof block);
        if (n <= 0) break;
        all.append(block, static_cast<std::size_t>(n));
    }
    return all;
}

std::pair<std::string, std::string> unframe(const std::string& bytes) {
    std::pair<std::string, std::string> streams;
    for (std::size_t at = 0; at < bytes.size();) {
        auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(bytes.at(at + i))}; };
        std::size_t size = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
        (byte(0) == 2 ? streams.second : streams.first) += bytes.substr(at + 8, size);
        at += 8 + size;
    }
    return streams;
}

bool alive(int pid) {
    auto stat = read_file("/proc/" + std::to_string(pid) + "/stat");
    return stat && stat->substr(stat->rfind(')') + 2, 1) != "Z";
}

void write_text(int fd, const std::string& text) {
    EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

}  // namespace gantry::monitor_test
