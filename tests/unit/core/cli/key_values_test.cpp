#include <gtest/gtest.h>

#include <cstdlib>
#include <unistd.h>

#include "core/base/files.hpp"
#include "core/cli/key_values.hpp"

namespace gantry::cli {
namespace {

struct TemporaryFile {
    std::string path = "/tmp/gantry-cli-test-" + std::to_string(::getpid());
    explicit TemporaryFile(std::string_view text) { EXPECT_TRUE(write_file(path, text)); }
    ~TemporaryFile() { ::unlink(path.c_str()); }
};

using Words = std::vector<std::string>;

TEST(KeyValues, env_files_come_first_and_bare_names_take_our_value) {
    TemporaryFile file("# a comment\n\nA=1\n  B=two words \r\nGANTRY_TEST_SET\nGANTRY_TEST_UNSET\n");
    ::setenv("GANTRY_TEST_SET", "here", 1);
    ::unsetenv("GANTRY_TEST_UNSET");
    auto all = read_environment({file.path}, {"C=", "GANTRY_TEST_SET", "A=2"});
    ASSERT_TRUE(all) << all.error().text;
    EXPECT_EQ(*all, (Words{"A=1", "B=two words ", "GANTRY_TEST_SET=here", "C=", "GANTRY_TEST_SET=here", "A=2"}));
}

TEST(KeyValues, a_bad_env_file_says_which_line) {
    TemporaryFile file("A B=1\n");
    EXPECT_EQ(read_environment({file.path}, {}).error().text,
              "invalid env file (" + file.path + "): variable 'A B' contains whitespaces");
    EXPECT_FALSE(read_environment({"/nonexistent/env"}, {}));
    EXPECT_EQ(read_environment({}, {"=x"}).error().text, "invalid environment variable: =x");
}

TEST(KeyValues, labels_may_have_no_value) {
    EXPECT_EQ(*read_labels({}, {"a=b=c", "d"}), Json::parse(R"({"a":"b=c","d":""})"));
    EXPECT_FALSE(read_labels({}, {"=b"}));
}

TEST(KeyValues, ulimits_are_checked) {
    EXPECT_EQ(*parse_ulimit("nofile=1024:2048"), Json::parse(R"({"Name":"nofile","Soft":1024,"Hard":2048})"));
    EXPECT_EQ((*parse_ulimit("core=0"))["Hard"], 0);
    EXPECT_EQ((*parse_ulimit("memlock=-1:-1"))["Soft"], -1);
    EXPECT_EQ(parse_ulimit("files=1").error().text, "invalid ulimit type: files");
    EXPECT_EQ(parse_ulimit("nofile").error().text, "invalid ulimit argument: nofile");
    EXPECT_FALSE(parse_ulimit("nofile=2:1"));
    EXPECT_FALSE(parse_ulimit("nofile=1:2:3"));
}

TEST(KeyValues, cpus_are_exact_decimals) {
    EXPECT_EQ(*parse_cpus("1.5"), 1500000000);
    EXPECT_EQ(*parse_cpus(".25"), 250000000);
    EXPECT_EQ(*parse_cpus("2"), 2000000000);
    EXPECT_EQ(parse_cpus("0.0000000001").error().text, "value is too precise");
    EXPECT_FALSE(parse_cpus("many"));
    EXPECT_FALSE(parse_cpus("-1"));
    EXPECT_FALSE(parse_cpus(""));
    EXPECT_FALSE(parse_cpus("."));
}

TEST(KeyValues, restart_policies_are_known_ones) {
    EXPECT_EQ(*parse_restart("on-failure:3"), Json::parse(R"({"Name":"on-failure","MaximumRetryCount":3})"));
    EXPECT_EQ(*parse_restart("always"), Json::parse(R"({"Name":"always"})"));
    EXPECT_FALSE(parse_restart("always:3"));
    EXPECT_FALSE(parse_restart("on-failure:x"));
    EXPECT_NE(parse_restart("alway").error().text.find("did you mean 'always'"), std::string::npos);
}

TEST(KeyValues, extra_hosts_and_filters_are_read) {
    EXPECT_EQ(*parse_extra_host("db:10.0.0.1"), "db:10.0.0.1");
    EXPECT_EQ(*parse_extra_host("db=[::1]"), "db:::1");
    EXPECT_EQ(*parse_extra_host("h:host-gateway"), "h:host-gateway");
    EXPECT_FALSE(parse_extra_host("db:somewhere"));
    EXPECT_FALSE(parse_extra_host("db"));
    EXPECT_EQ(*parse_filters({"label=a=b", "label=c", "status=exited"}),
              R"({"label":["a=b","c"],"status":["exited"]})");
    EXPECT_FALSE(parse_filters({"label"}));
}

}  // namespace
}  // namespace gantry::cli
