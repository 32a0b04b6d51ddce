// An engine's side with a real gantry-launcher and the fake runtime driver, in a directory of its own.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "core/container/monitor_client.hpp"

namespace gantry::monitor_test {

using container::ExitRecord;
using container::Launcher;
using container::LaunchRequest;
using container::Monitor;
using container::MonitorEvent;

class MonitorTest : public ::testing::Test {
protected:
    void SetUp() override;
    void TearDown() override;

    void connect();
    int launcher_pid();
    // A request that runs `script` with /bin/sh.
    LaunchRequest request(const std::string& id, const std::string& script);
    // Launches and starts.
    std::shared_ptr<Monitor> run(LaunchRequest request);
    // Waits for an event of that type, ten seconds at most.
    std::optional<MonitorEvent> wait_event(const std::string& id, MonitorEvent::Type type, int timeout_ms = 10'000);
    static Json process(const std::string& script);
    std::string path(const std::string& name) const { return root_ + "/" + name; }
    // All payload bytes of the "local" log of a container, in order; `stream` 0: both.
    std::string logged(const std::string& id, int stream = 0) const;

    std::string root_;
    std::unique_ptr<Launcher> launcher_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::pair<std::string, MonitorEvent>> events_;
    std::atomic<int> event_delay_ms_ = 0;  // how long the engine takes for an event
    std::vector<std::shared_ptr<Monitor>> monitors_;
};

// A connected pair of stream sockets: one for the monitor, one for the test.
struct Pair {
    UniqueFd ours, theirs;
};
Pair socket_pair();
Pair pipe_pair();  // ours reads
// Reads until the end or until `enough` bytes are there; fails the test after ten seconds.
std::string read_until(int fd, std::size_t enough = ~std::size_t{0}, int timeout_ms = 10'000);
// Takes Docker's frames apart: what stream 1 and what stream 2 got.
std::pair<std::string, std::string> unframe(const std::string& bytes);
// Whether the process runs: neither gone nor a zombie that its new parent has not collected yet.
bool alive(int pid);
void write_text(int fd, const std::string& text);

}  // namespace gantry::monitor_test
