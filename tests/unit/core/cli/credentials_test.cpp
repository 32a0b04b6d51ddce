#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/cli/credential_helper.hpp"

namespace gantry::cli {
namespace {

using ::testing::HasSubstr;

// A directory in PATH with one helper in it.
class Helpers : public ::testing::Test {
protected:
    void SetUp() override {
        ::signal(SIGPIPE, SIG_IGN);  // as the program does
        char name[] = "/tmp/gantry-helper-XXXXXX";
        directory_ = ::mkdtemp(name);
        before_ = std::getenv("PATH");
        ::setenv("PATH", (directory_ + ":" + before_).c_str(), 1);
    }
    void TearDown() override {
        ::setenv("PATH", before_.c_str(), 1);
        EXPECT_TRUE(remove_tree(directory_));
    }
    CredentialHelper with(const std::string& script, int timeout_ms = 10000) {
        std::string path = directory_ + "/docker-credential-test";
        EXPECT_TRUE(write_file(path, "#!/bin/sh\n" + script + "\n", 0755));
        EXPECT_EQ(::chmod(path.c_str(), 0755), 0);
        return *CredentialHelper::create("test", timeout_ms);
    }
    std::string directory_, before_;
};

TEST_F(Helpers, one_that_hangs_is_given_up) {
    const std::int64_t begin = monotonic_ns();
    // Silent; and one that has closed its output and stays.
    for (const char* script : {"exec sleep 60", "exec >&-; exec sleep 60", "while :; do echo x; sleep 0.05; done"}) {
        auto found = with(script, 300).get("reg:5000");
        ASSERT_FALSE(found);
        EXPECT_EQ(found.error().code, Code::deadline) << found.error().text;
        EXPECT_THAT(found.error().text, HasSubstr("docker-credential-test"));
    }
    EXPECT_LT(monotonic_ns() - begin, 20'000'000'000);
}

TEST_F(Helpers, one_that_does_not_read_may_answer_all_the_same) {
    auto found =
        with(R"(exec <&-; echo '{"ServerURL":"https://reg:5000","Username":"u","Secret":"s"}')").get("reg:5000");
    ASSERT_TRUE(found) << found.error().text;
    EXPECT_EQ(found->username, "u");
    EXPECT_EQ(found->password, "s");
}

TEST_F(Helpers, secrets_do_not_stand_in_errors) {
    auto stored = with("cat >/dev/null; exit 9").store("reg:5000", {"me", "canary", {}});
    ASSERT_FALSE(stored);
    EXPECT_EQ(stored.error().text.find("canary"), std::string::npos);
    EXPECT_THAT(stored.error().text, HasSubstr("exit code 9"));
}

TEST_F(Helpers, nothing_to_erase_is_success) {
    EXPECT_TRUE(with("echo 'credentials not found in native keychain'; exit 1").erase("reg:5000"));
    EXPECT_FALSE(with("echo 'broken'; exit 1").erase("reg:5000"));
}

}  // namespace
}  // namespace gantry::cli
