#include "core/build/dockerfile/image_config.hpp"

#include <gtest/gtest.h>

namespace gantry::build::dockerfile {

TEST(BuildImageConfig, takes_over_what_the_base_has) {
    Json base = Json::parse(
        R"({"architecture":"arm64","os":"linux","variant":"v8","created":"2024-01-01T00:00:00Z","author":"a",
        "rootfs":{"type":"layers","diff_ids":["sha256:1"]},"history":[{"created_by":"x"}],"other":1,
        "config":{"Env":["B=1","A=2=3"],"Cmd":null,"Labels":{"b":"1"},"OnBuild":["RUN a"],"Own":"kept"}})");
    auto image = ImageConfig::of_base(base);
    ASSERT_TRUE(image) << image.error().text;
    EXPECT_EQ(image->platform().text(), "linux/arm64/v8");
    EXPECT_EQ(image->environment(), (std::vector<std::pair<std::string, std::string>>{{"B", "1"}, {"A", "2=3"}}));
    EXPECT_EQ(image->triggers(), std::vector<std::string>{"RUN a"});
    image->set_environment("A", "4");
    image->set_environment("C", "5");
    image->set_label("a", "0");
    image->add_history("RUN b", false);
    image->add_history("ENV c", true);
    Json expected = Json::parse(R"({"architecture":"arm64","os":"linux","variant":"v8","author":"a","other":1,
        "history":[{"created_by":"x"},{"created_by":"RUN b","comment":"gantry.dockerfile.v1"},
                   {"created_by":"ENV c","comment":"gantry.dockerfile.v1","empty_layer":true}],
        "config":{"Env":["B=1","A=4","C=5"],"Labels":{"a":"0","b":"1"},"OnBuild":["RUN a"],"Own":"kept"}})");
    EXPECT_EQ(image->document(), expected);
}

TEST(BuildImageConfig, of_a_damaged_base_says_what_is_damaged) {
    for (auto [text, field] : std::initializer_list<std::pair<const char*, const char*>>{
             {"[]", "the whole"},
             {"3", "the whole"},
             {R"({"os":3})", "os"},
             {R"({"architecture":[]})", "architecture"},
             {R"({"config":[]})", "config"},
             {R"({"history":{}})", "history"},
             {R"({"history":[1]})", "history"},
             {R"({"history":[{"empty_layer":"yes"}]})", "history"},
             {R"({"config":{"Env":{}}})", "Env"},
             {R"({"config":{"Env":[1]}})", "Env"},
             {R"({"config":{"Env":["a\u0000"]}})", "Env"},
             {R"({"config":{"Cmd":"a"}})", "Cmd"},
             {R"({"config":{"Entrypoint":[null]}})", "Entrypoint"},
             {R"({"config":{"Shell":1}})", "Shell"},
             {R"({"config":{"OnBuild":"RUN a"}})", "OnBuild"},
             {R"({"config":{"Labels":{"a":1}}})", "Labels"},
             {R"({"config":{"User":0}})", "User"},
             {R"({"config":{"WorkingDir":["/"]}})", "WorkingDir"},
             {R"({"config":{"Volumes":["/a"]}})", "Volumes"},
             {R"({"config":{"ExposedPorts":{"80":1}}})", "ExposedPorts"},
             {R"({"config":{"Healthcheck":[]}})", "Healthcheck"}}) {
        auto image = ImageConfig::of_base(Json::parse(text));
        ASSERT_FALSE(image) << text;
        EXPECT_EQ(image.error().text, "the image's configuration is damaged: " + std::string(field) +
                                          " is not of the kind that the specification says");
    }
    for (const char* text :
         {"{}", R"({"config":null,"history":null})", R"({"config":{"Env":null,"Labels":null,"Volumes":{"/a":null}}})"})
        EXPECT_TRUE(ImageConfig::of_base(Json::parse(text))) << text;
}

TEST(BuildImageConfig, knows_signals) {
    for (const char* good : {"SIGTERM", "term", "TERM", "9", "64", "SIGRTMIN", "SIGRTMIN+3", "rtmax-1"})
        EXPECT_TRUE(is_signal(good)) << good;
    for (const char* bad : {"", "0", "65", "-1", "SIGNOTHING", "SIG", "SIGRTMIN-1", "SIGRTMIN+31", "SIGRTMAX+1", "9 "})
        EXPECT_FALSE(is_signal(bad)) << bad;
}

TEST(BuildImageConfig, takes_ports) {
    using Keys = std::vector<std::string>;
    EXPECT_EQ(parse_exposed("80")->keys, Keys{"80/tcp"});
    EXPECT_EQ(parse_exposed("53/udp")->keys, Keys{"53/udp"});
    EXPECT_EQ(parse_exposed("1-3/sctp")->keys, (Keys{"1/sctp", "2/sctp", "3/sctp"}));
    EXPECT_EQ(parse_exposed("080")->keys, Keys{"80/tcp"});
    EXPECT_TRUE(parse_exposed("80/TCP")->odd_case);
    EXPECT_TRUE(parse_exposed("127.0.0.1:8080:80")->mapping);
    EXPECT_EQ(parse_exposed("8080:80/udp")->keys, Keys{"80/udp"});
    for (const char* bad :
         {"", "0", "65536", "80/http", "80/", "/tcp", "a", "3-1", "1-", "-1", "80:", "1-70000", "999999999999"}) {
        auto ports = parse_exposed(bad);
        ASSERT_FALSE(ports) << bad;
        EXPECT_EQ(ports.error().text,
                  "EXPOSE: found \"" + std::string(bad) +
                      "\", allowed is a port or a range from 1 to 65535 with /tcp, /udp or /sctp: 80, 8000-8010/udp");
    }
}

}  // namespace gantry::build::dockerfile
