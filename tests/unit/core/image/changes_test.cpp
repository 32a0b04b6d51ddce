#include "core/image/changes.hpp"

#include <gtest/gtest.h>

namespace gantry::image {
namespace {

Json after(std::initializer_list<const char*> lines) {
    Json config = Json::object();
    for (const char* line : lines) {
        auto result = apply_change(config, line);
        EXPECT_TRUE(result) << line << ": " << result.error().text;
    }
    return config;
}

}  // namespace

TEST(Changes, set_commands_in_both_forms) {
    EXPECT_EQ(after({"CMD [\"/bin/app\", \"-x\"]"})["Cmd"].dump(), R"(["/bin/app","-x"])");
    EXPECT_EQ(after({"CMD echo hi"})["Cmd"].dump(), R"(["/bin/sh","-c","echo hi"])");
    EXPECT_EQ(after({"entrypoint [\"/init\"]"})["Entrypoint"].dump(), R"(["/init"])");
}

TEST(Changes, set_the_environment_and_labels) {
    EXPECT_EQ(after({"ENV A=1 B=\"two words\" C=a\\ b", "ENV A 3 with blanks"})["Env"].dump(),
              R"(["A=3 with blanks","B=two words","C=a b"])");
    EXPECT_EQ(after({"LABEL a=1 \"b c\"=2"})["Labels"].dump(), R"({"a":"1","b c":"2"})");
}

TEST(Changes, set_all_else) {
    const Json config = after({"EXPOSE 80 53/udp 8000-8001", "USER 1000:1000", "VOLUME /data /more",
                               "VOLUME [\"/x y\"]", "WORKDIR /srv", "WORKDIR app", "STOPSIGNAL SIGQUIT",
                               "ONBUILD RUN x", "HEALTHCHECK --interval=30s --retries=2 CMD curl -f localhost"});
    EXPECT_EQ(config["ExposedPorts"].dump(), R"({"53/udp":{},"80/tcp":{},"8000/tcp":{},"8001/tcp":{}})");
    EXPECT_EQ(config["User"], "1000:1000");
    EXPECT_EQ(config["Volumes"].size(), 3u);
    EXPECT_EQ(config["WorkingDir"], "/srv/app");
    EXPECT_EQ(config["StopSignal"], "SIGQUIT");
    EXPECT_EQ(config["OnBuild"].dump(), R"(["RUN x"])");
    EXPECT_EQ(config["Healthcheck"].dump(),
              R"({"Interval":30000000000,"Retries":2,"Test":["CMD-SHELL","curl -f localhost"]})");
    EXPECT_EQ(after({"HEALTHCHECK NONE"})["Healthcheck"].dump(), R"({"Test":["NONE"]})");
}

TEST(Changes, refuse_what_is_wrong_and_change_nothing) {
    for (const char* bad :
         {"RUN ls", "FROM x", "", "ENV", "ENV A", "ENV =x", "ENV A=\"open", "EXPOSE http", "EXPOSE 70000",
          "EXPOSE 80/icmp", "EXPOSE 90-80", "STOPSIGNAL SIGNOPE", "HEALTHCHECK --nope=1 CMD x",
          "HEALTHCHECK --interval=soon CMD x", "HEALTHCHECK x", "USER", "LABEL a"}) {
        Json config = Json::object();
        auto result = apply_change(config, bad);
        EXPECT_FALSE(result) << bad;
    }
    Json config = Json::object();
    EXPECT_EQ(apply_change(config, "RUN ls").error().text, "RUN is not a valid change command");
}

TEST(Changes, tell_in_one_line_what_they_refuse) {
    Json config = Json::object();
    for (const char* line : {"ENV a\nb", "EXPOSE 1\x1b", "HEALTHCHECK --x\ry CMD z", "HEALTHCHECK --retries=\b1 CMD z",
                             "STOPSIGNAL \n\x01x", "\x02RUN x", "\x02", "LABEL \xff=1 \xfe=2"}) {
        auto result = apply_change(config, line);
        ASSERT_FALSE(result) << line;
        for (char c : result.error().text) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << result.error().text;
    }
}

}  // namespace gantry::image
