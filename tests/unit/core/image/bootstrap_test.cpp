// bootstrap with a stand-in for the program: what it is asked to run, and what becomes of what it writes.
#include "core/image/bootstrap.hpp"

#include "core/base/files.hpp"
#include "tests/unit/core/image/store_fixture.hpp"

namespace gantry::image {
namespace {

struct Bootstrap : ImageStoreFixture {
    std::vector<std::string> argv;
    void SetUp() override {
        ImageStoreFixture::SetUp();
        if (::access("/usr/bin/mmdebstrap", X_OK) != 0) GTEST_SKIP() << "needs mmdebstrap to be installed";
    }
    Spawner program(const std::string& out, const std::string& err, int status) {
        return [=, this](const std::vector<std::string>& args, const std::vector<std::string>&, const int fds[3], int,
                         const std::function<void(int)>& on_pid) -> Result<int> {
            argv = args;
            if (on_pid) on_pid(1);
            (void)write_all(fds[2], err);
            (void)write_all(fds[1], out);
            return status;
        };
    }
};

}  // namespace

TEST_F(Bootstrap, imports_what_the_program_writes) {
    const std::string tar = test::TarMaker().file("bin/bash", "x").done();
    auto id = bootstrap(*images, {"debian:test", "bookworm", {"python3", "curl"}, "", "minbase"},
                        program(tar, "I: downloading packages with apt...\nI: done\n", 0), progress());
    ASSERT_TRUE(id) << id.error().text;
    auto image = images->find("debian:test");
    ASSERT_TRUE(image);
    EXPECT_EQ((*image)->config["config"]["Cmd"].dump(), R"(["/bin/bash"])");
    EXPECT_EQ((*image)->config["config"]["Env"][0].get<std::string>().substr(0, 5), "PATH=");
    EXPECT_NE(std::find(argv.begin(), argv.end(), "--include=python3,curl"), argv.end());
    EXPECT_NE(std::find(argv.begin(), argv.end(), "--variant=minbase"), argv.end());
    EXPECT_NE(std::find(argv.begin(), argv.end(), "bookworm"), argv.end());
    ASSERT_FALSE(told.empty());
    EXPECT_EQ(told[0]["status"], "I: downloading packages with apt...");
}

TEST_F(Bootstrap, a_failure_shows_the_last_lines_and_leaves_nothing) {
    const std::string whole = test::TarMaker().file("f", "x").done();
    for (const std::string& out : {std::string(), whole, whole.substr(0, 600)}) {
        auto id = bootstrap(*images, {"debian", "bookworm", {"nope"}, "", "minbase"},
                            program(out, "E: Unable to locate package nope\n", 100), nullptr);
        ASSERT_FALSE(id);
        EXPECT_EQ(id.error().text, "mmdebstrap failed with status 100: E: Unable to locate package nope");
        ASSERT_TRUE(images->collect_garbage({}));
        expect_empty();
    }
    auto id = bootstrap(
        *images, {"debian", "bookworm", {}, "", "minbase"},
        [](const auto&, const auto&, const int*, int, const auto&) -> Result<int> {
            return fail(Code::unsupported, "no launcher");
        },
        nullptr);
    EXPECT_FALSE(id);
    expect_empty();
}

TEST_F(Bootstrap, nothing_can_be_taken_for_an_option_or_a_second_word) {
    auto never = [](const auto&, const auto&, const int*, int, const auto&) -> Result<int> {
        ADD_FAILURE() << "was run";
        return 0;
    };
    for (const BootstrapRequest& bad :
         {BootstrapRequest{"Debian", "bookworm", {}, "", "minbase"},
          BootstrapRequest{"d", "--setup-hook=x", {}, "", "minbase"},
          BootstrapRequest{"d", "bookworm", {"a b"}, "", "minbase"},
          BootstrapRequest{"d", "bookworm", {"-x"}, "", "minbase"},
          BootstrapRequest{"d", "bookworm", {"a,b;c"}, "", "minbase"},
          BootstrapRequest{"d", "bookworm", {}, "-x", "minbase"},
          BootstrapRequest{"d", "bookworm", {}, "deb http://x y z\ndeb w", "minbase"},
          BootstrapRequest{"d", "", {}, "", "minbase"}, BootstrapRequest{"d", "bookworm", {}, "", "$(x)"}})
        EXPECT_FALSE(bootstrap(*images, bad, never, nullptr));
}

}  // namespace gantry::image
