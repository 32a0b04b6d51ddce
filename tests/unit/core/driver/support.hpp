// What the tests of core/driver share.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gantry/driver.hpp>

#include "core/driver/registry.hpp"

#define REQUIRE_ROOT() \
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: driver files must be owned by root"

namespace gantry::driver {

inline const std::string good_drivers = GANTRY_FIXTURES "/good";
inline const std::string bad_drivers = GANTRY_FIXTURES "/bad";

// A directory of its own for each test, removed with all it holds.
class TemporaryDirectory {
public:
    TemporaryDirectory() {
        char name[] = "/tmp/gantry-driver-test-XXXXXX";
        path_ = ::mkdtemp(name);
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    const std::string& path() const { return path_; }
    // A copy of a fixture in it; gives the copy's path.
    std::string copy(const std::string& file, const std::string& name = "") const {
        std::string to = path_ + "/" + (name.empty() ? std::filesystem::path(file).filename().string() : name);
        std::filesystem::copy_file(file, to);
        ::chmod(to.c_str(), 0755);
        return to;
    }

private:
    std::string path_;
};

// The good drivers, as a stranger's: the first directory of the path, which holds the engine's own, is an empty one.
struct Fixture : ::testing::Test {
    TemporaryDirectory directory;
    Settings settings(Isolation isolation = Isolation::automatic) const {
        Settings s;
        s.engine = "test";
        s.path = {directory.path() + "/own", good_drivers};
        s.root = directory.path() + "/root";
        s.run = directory.path() + "/run";
        s.host_program = GANTRY_DRIVER_HOST;
        s.cancel_grace_ms = 200;
        s.restart_pause_ms = 20;
        for (const char* name : {"good", "misbehaves"}) {
            Wanted wanted;
            wanted.name = name;
            wanted.isolation = isolation;
            s.drivers.push_back(wanted);
        }
        return s;
    }
    void SetUp() override { REQUIRE_ROOT(); }
};

// One call of network-misbehaves.so's "ensure".
inline Result<Reply> ask(Driver& driver, const std::string& what, int deadline_ms = 5'000,
                         std::vector<NamedFd> fds = {}) {
    return driver.call("network/1", "ensure", {{"do", what}}, std::move(fds), static_cast<Deadline>(deadline_ms));
}

template <typename T>
std::string text_of(const Result<T>& result) {
    return result ? std::string("(no error)") : result.error().text;
}

}  // namespace gantry::driver
