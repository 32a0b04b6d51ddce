#include "core/cli/completion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gantry::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

// The words that are offered; ":files" last where the shell's files belong there.
std::vector<std::string> offered(const std::vector<std::string>& words) {
    Completion found = complete_words(words, [](WordKind kind) -> std::vector<Candidate> {
        switch (kind) {
        case WordKind::container: return {{"web", ""}, {"db", ""}, {"old", ""}};
        case WordKind::running_container: return {{"web", ""}, {"db", ""}};
        case WordKind::container_path: return {{"web:", ""}};
        case WordKind::image: return {{"nginx:1", ""}, {"busybox", ""}};
        case WordKind::network: return {{"front", ""}, {"back", ""}};
        case WordKind::volume: return {{"data", ""}};
        case WordKind::context: return {{"default", ""}, {"box", ""}};
        case WordKind::object: return {{"anything", ""}};
        case WordKind::driver: return {{"bridge", ""}};
        case WordKind::plugin: return {{"me/mine:latest", ""}};
        default: return {};
        }
    });
    std::vector<std::string> all;
    for (const Candidate& candidate : found.candidates) all.push_back(candidate.word);
    if (found.files) all.emplace_back(":files");
    return all;
}

TEST(Completion, commands_and_groups_are_those_there_are) {
    EXPECT_THAT(offered({"ru"}), ElementsAre("run"));
    EXPECT_THAT(offered({"cont"}), ElementsAre("container", "context"));
    EXPECT_THAT(offered({""}), Contains("ps"));
    EXPECT_THAT(offered({""}), Not(Contains("__complete")));
    EXPECT_THAT(offered({"network", "c"}), ElementsAre("create", "connect"));
    EXPECT_THAT(offered({"help", "ru"}), ElementsAre("run"));
    EXPECT_THAT(offered({"nothing", ""}), IsEmpty());
    EXPECT_THAT(offered({"network", "nothing", ""}), IsEmpty());
}

TEST(Completion, options_are_the_commands_own) {
    EXPECT_THAT(offered({"ps", "--no-"}), ElementsAre("--no-trunc"));
    EXPECT_THAT(offered({"run", "--netw"}), ElementsAre("--network", "--network-alias"));
    EXPECT_THAT(offered({"container", "ls", "--qu"}), ElementsAre("--quiet"));
    EXPECT_THAT(offered({"--tlsc"}), ElementsAre("--tlscacert", "--tlscert"));
    EXPECT_THAT(offered({"exec", "web", "--"}), IsEmpty());
    EXPECT_THAT(offered({"stop", "--", "--t"}), IsEmpty());
}

TEST(Completion, arguments_are_what_the_usage_says) {
    EXPECT_THAT(offered({"start", ""}), ElementsAre("web", "db", "old"));
    EXPECT_THAT(offered({"stop", ""}), ElementsAre("web", "db"));
    EXPECT_THAT(offered({"rm", "web", "o"}), ElementsAre("old"));
    EXPECT_THAT(offered({"rename", "web", ""}), IsEmpty());
    EXPECT_THAT(offered({"run", "-it", "--rm", "b"}), ElementsAre("busybox"));
    EXPECT_THAT(offered({"run", "busybox", ""}), IsEmpty());
    EXPECT_THAT(offered({"network", "connect", "f"}), ElementsAre("front"));
    EXPECT_THAT(offered({"network", "connect", "front", "w"}), ElementsAre("web"));
    EXPECT_THAT(offered({"network", "create", ""}), IsEmpty());
    EXPECT_THAT(offered({"volume", "rm", ""}), ElementsAre("data"));
    EXPECT_THAT(offered({"plugin", "enable", ""}), ElementsAre("me/mine:latest"));
    EXPECT_THAT(offered({"plugin", "upgrade", "m"}), ElementsAre("me/mine:latest"));
    EXPECT_THAT(offered({"plugin", "install", ""}), IsEmpty());
    EXPECT_THAT(offered({"plugin", "create", "new", ""}), ElementsAre(":files"));
    EXPECT_THAT(offered({"context", "use", "b"}), ElementsAre("box"));
    EXPECT_THAT(offered({"push", "n"}), ElementsAre("nginx:1"));
    EXPECT_THAT(offered({"inspect", ""}), ElementsAre("anything"));
    EXPECT_THAT(offered({"completion", ""}), ElementsAre("bash", "zsh", "fish"));
    EXPECT_THAT(offered({"cp", "w"}), ElementsAre("web:", ":files"));
    EXPECT_THAT(offered({"cp", "file", "w"}), ElementsAre("web:", ":files"));
    EXPECT_THAT(offered({"build", ""}), ElementsAre(":files"));
}

TEST(Completion, a_value_is_what_its_option_takes) {
    EXPECT_THAT(offered({"run", "--network", "b"}), ElementsAre("back"));
    EXPECT_THAT(offered({"run", "--network=b"}), ElementsAre("--network=back"));
    EXPECT_THAT(offered({"run", "-e", "x"}), IsEmpty());
    EXPECT_THAT(offered({"run", "-e", "A=b", "bus"}), ElementsAre("busybox"));
    EXPECT_THAT(offered({"run", "-dit", "--name", "x", "bus"}), ElementsAre("busybox"));
    EXPECT_THAT(offered({"run", "--restart", "un"}), ElementsAre("unless-stopped"));
    EXPECT_THAT(offered({"build", "-f", ""}), ElementsAre(":files"));
    EXPECT_THAT(offered({"--context", ""}), ElementsAre("default", "box"));
    EXPECT_THAT(offered({"-c", "box", "ps", "--no-"}), ElementsAre("--no-trunc"));
    EXPECT_THAT(offered({"--context", "box", "stop", "w"}), ElementsAre("web"));
}

}  // namespace
}  // namespace gantry::cli
