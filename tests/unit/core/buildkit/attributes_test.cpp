#include "core/buildkit/attributes.hpp"

#include <gtest/gtest.h>

namespace gantry::buildkit {
namespace {

using Attributes = std::map<std::string, std::string>;

SolveWish image(std::map<std::string, std::string> attributes = {}) {
    return {{{"moby", std::move(attributes)}}, {}, {}, {}};
}

BuildWish read(const Attributes& attributes, const SolveWish& solve = image()) {
    auto wish = read_wish(attributes, solve, "key");
    EXPECT_TRUE(wish) << wish.error().text;
    return wish ? *wish : BuildWish{};
}

std::string refusal(const Attributes& attributes, const SolveWish& solve = image()) {
    auto wish = read_wish(attributes, solve, "key");
    return wish ? "" : wish.error().text;
}

TEST(Attributes, SayWhatTheClientsOptionsAsk) {
    const Json frame = read({{"filename", "Dockerfile.dev"},
                             {"target", "web"},
                             {"build-arg:WHO", "me"},
                             {"build-arg:EMPTY", ""},
                             {"label:part", "a=b"},
                             {"shm-size", "1048576"},
                             {"cgroup-parent", "/builds"},
                             {"force-network-mode", "none"},
                             {"image-resolve-mode", "pull"},
                             {"platform", "linux/arm64"},
                             {"add-hosts", "one=10.0.0.1,two=::1"},
                             {"ulimit", "nofile=10:20,nproc=5"}},
                            {{{"moby", {{"name", "a:1,b:2"}}}}, {}, {}, {"network.host"}})
                           .frame;
    EXPECT_EQ(frame["type"], "build");
    EXPECT_EQ(frame["dockerfile_name"], "Dockerfile.dev");
    EXPECT_EQ(frame["target"], "web");
    EXPECT_EQ(frame["args"], (Json{{"WHO", "me"}, {"EMPTY", ""}}));
    EXPECT_EQ(frame["labels"], (Json{{"part", "a=b"}}));
    EXPECT_EQ(frame["shm_size"], 1048576);
    EXPECT_EQ(frame["cgroup_parent"], "/builds");
    EXPECT_EQ(frame["network"], "none");
    EXPECT_EQ(frame["pull"], true);
    EXPECT_EQ(frame["platforms"], Json::array({"linux/arm64"}));
    EXPECT_EQ(frame["add_hosts"], Json::array({"one:10.0.0.1", "two:::1"}));
    EXPECT_EQ(frame["ulimits"], (Json::array({{{"Name", "nofile"}, {"Soft", 10}, {"Hard", 20}},
                                              {{"Name", "nproc"}, {"Soft", 5}, {"Hard", 5}}})));
    EXPECT_EQ(frame["tags"], Json::array({"a:1", "b:2"}));
    EXPECT_EQ(frame["allow"], Json::array({"network.host"}));
}

TEST(Attributes, AContextIsTheClientsDirectoryUnlessItIsElsewhere) {
    const BuildWish local = read({});
    EXPECT_EQ(local.frame["context"], (Json{{"kind", "local"}, {"key", "key"}}));
    EXPECT_EQ(local.locals, (Attributes{{"context", "context"}}));
    EXPECT_TRUE(local.file_here);
    EXPECT_EQ(local.file_name, "Dockerfile");
    const BuildWish git = read({{"context", "https://example.com/a.git#main:web"}});
    EXPECT_EQ(git.frame["context"], (Json{{"kind", "git"}, {"url", "https://example.com/a.git#main:web"}}));
    EXPECT_FALSE(git.file_here);
    EXPECT_EQ(read({{"context", "https://example.com/a.tar"}}).frame["context"]["kind"], "http");
    EXPECT_TRUE(read({{"context", "https://example.com/a.tar"}, {"dockerfilekey", "dockerfile"}}).file_here);
    EXPECT_NE(refusal({{"context", "http://buildkit-session/abc"}}).find("standard input"), std::string::npos);
}

TEST(Attributes, FurtherContextsAreDirectoriesImagesAndAddresses) {
    const BuildWish wish = read({{"context:base", "docker-image://busybox:1"},
                                 {"context:data", "local:data"},
                                 {"context:context2", "local:_context"},
                                 {"context:repo", "https://example.com/a.git"},
                                 {"frontend.caps", "moby.buildkit.frontend.contexts+forward"}});
    EXPECT_EQ(wish.frame["contexts"]["base"], (Json{{"kind", "image"}, {"reference", "busybox:1"}}));
    EXPECT_EQ(wish.frame["contexts"]["data"], (Json{{"kind", "local"}, {"key", "key"}}));
    EXPECT_EQ(wish.frame["contexts"]["repo"]["kind"], "git");
    EXPECT_EQ(wish.locals.at("context2"), "_context");
    EXPECT_EQ(read({{"local-sessionid:data", "other"}}).sessions, (Attributes{{"data", "other"}}));
    for (const char* where : {"target:other", "input:other", "oci-layout://x:latest@sha256:0"})
        EXPECT_NE(refusal({{"context:other", where}}).find("\"other\""), std::string::npos) << where;
}

TEST(Attributes, NoCacheIsForAllStagesOrForSome) {
    EXPECT_EQ(read({{"no-cache", ""}}).frame["no_cache"], true);
    const Json some = read({{"no-cache", "a,b"}}).frame;
    EXPECT_EQ(some["no_cache_filter"], Json::array({"a", "b"}));
    EXPECT_FALSE(some.contains("no_cache"));
}

TEST(Attributes, CachesOfRegistriesAreReadAndThoseOfAnImageWritten) {
    SolveWish solve = image();
    solve.cache_from = {{"registry", {{"ref", "example.com/cache"}}}};
    solve.cache_to = {{"inline", {}}};
    const Json frame = read({{"cache-imports", "[]"}}, solve).frame;
    EXPECT_EQ(frame["cache_from"], Json::array({{{"type", "registry"}, {"ref", "example.com/cache"}}}));
    EXPECT_EQ(
        read({{"cache-imports", R"([{"Type":"registry","Attrs":{"ref":"example.com/other"}}])"}}).frame["cache_from"],
        Json::array({{{"type", "registry"}, {"ref", "example.com/other"}}}));
    for (const char* bad : {"x", "{}", "[1]", R"([{"Attrs":{}}])", R"([{"Type":"registry","Attrs":{"ref":1}}])"})
        EXPECT_NE(refusal({{"cache-imports", bad}}).find("invalid cache-imports"), std::string::npos) << bad;
    EXPECT_EQ(frame["cache_to"], Json::array({{{"type", "inline"}}}));
    solve.cache_from = {{"local", {{"src", "/x"}}}};
    EXPECT_EQ(refusal({}, solve), "cache-from: type \"local\" is not supported over BuildKit, allowed: registry");
    solve = image();
    solve.cache_to = {{"registry", {{"ref", "x"}}}};
    EXPECT_EQ(refusal({}, solve), "cache-to: type \"registry\" is not supported over BuildKit, allowed: inline");
}

TEST(Attributes, WhatIsNotThereIsNamed) {
    EXPECT_EQ(refusal({{"hostname", "x"}}), "attribute \"hostname\" of a build is not supported");
    EXPECT_NE(refusal({{"requestid", "frontend.lint"}}).find("--check"), std::string::npos);
    EXPECT_NE(refusal({{"attest:provenance", "mode=min"}}).find("attestations"), std::string::npos);
    EXPECT_NE(refusal({{"platform", "linux/amd64,linux/arm64"}}).find("several platforms"), std::string::npos);
    EXPECT_NE(refusal({{"build-arg:BUILDKIT_SYNTAX", "docker/dockerfile:1"}}).find("BUILDKIT_SYNTAX"),
              std::string::npos);
    EXPECT_EQ(refusal({{"shm-size", "much"}}), "invalid shm-size \"much\", allowed: a number");
    EXPECT_EQ(refusal({{"add-hosts", "one"}}), "invalid add-hosts \"one\", allowed: NAME=ADDRESS");
    EXPECT_EQ(refusal({{"ulimit", "nofile"}}), "invalid ulimit \"nofile\", allowed: NAME=SOFT[:HARD]");
    EXPECT_EQ(refusal({{"image-resolve-mode", "never"}}),
              "invalid image-resolve-mode \"never\", allowed: default, pull, local");
    EXPECT_EQ(refusal({{"filename", ""}}), "invalid filename \"\", allowed: the name of a Dockerfile");
}

TEST(Attributes, AnOutputIsAnImageOfTheEngine) {
    EXPECT_EQ(*image_names({{"moby", {{"name", "a:1,b:2"}, {"push", "true"}}}}),
              (std::vector<std::string>{"a:1", "b:2"}));
    for (const char* type : {"local", "tar", "oci", "docker", "image"})
        EXPECT_NE(image_names({{type, {}}}).error().text.find(type), std::string::npos);
    EXPECT_NE(image_names({{"moby", {{"annotation.x", "y"}}}}).error().text.find("annotation.x"), std::string::npos);
    EXPECT_FALSE(image_names({{"moby", {}}, {"moby", {}}}));
}

}  // namespace
}  // namespace gantry::buildkit
