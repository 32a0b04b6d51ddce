#include "core/build/dockerfile/directives.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "core/image/references.hpp"

namespace gantry::build::dockerfile {
namespace {

Result<Directives> directives_of(std::string_view text, int* line) { return parse_directives(split(text, '\n'), line); }

}  // namespace

TEST(Directives, are_taken_from_the_first_lines_only) {
    struct Case {
        const char* text;
        char escape;
    };
    for (const Case& c : std::initializer_list<Case>{{"FROM a", '\\'},
                                                     {"# escape=`\nFROM a", '`'},
                                                     {"#escape = `", '`'},
                                                     {"  #  ESCAPE=`  ", '`'},
                                                     {"# syntax=docker/dockerfile:1\n# escape=`", '`'},
                                                     {"#!/usr/bin/env -S docker build -f\n# escape=`", '`'},
                                                     {"# escape=\\", '\\'},
                                                     {"# about\n# escape=`", '\\'},
                                                     {"# unknown=1\n# escape=`", '\\'},
                                                     {"\n# escape=`", '\\'},
                                                     {"FROM a\n# escape=`", '\\'}}) {
        int line = -1;
        auto directives = directives_of(c.text, &line);
        ASSERT_TRUE(directives) << c.text << ": " << directives.error().text;
        EXPECT_EQ(directives->escape, c.escape) << c.text;
        EXPECT_EQ(line, 0);
    }
}

TEST(Directives, that_are_wrong_say_what_is_allowed) {
    struct Case {
        const char* text;
        int line;
        Code code;
        const char* error;
    };
    for (const Case& c : std::initializer_list<Case>{
             {"# escape=x", 1, Code::invalid, "escape: found \"x\", allowed are \\ and `"},
             {"# escape=``", 1, Code::invalid, "escape: found \"``\", allowed are \\ and `"},
             {"# escape=`\n# escape=`", 2, Code::invalid,
              "the directive \"escape\" stands here a second time, allowed is one"},
             {"# syntax=docker/dockerfile:1\n# check=skip=Nothing", 2, Code::invalid,
              "check: there is no rule \"Nothing\""},
             {"# check=skip=UndefinedVars", 1, Code::invalid,
              "check: there is no rule \"UndefinedVars\" (did you mean UndefinedVar?)"},
             {"# check=error=yes", 1, Code::invalid,
              "check: found \"error=yes\", allowed are skip=RULE,.., error=true|false and experimental=RULE,.."},
             {"# syntax=example.com/other/frontend:1", 1, Code::unsupported,
              "syntax \"example.com/other/frontend:1\" is not supported: front ends from images are not run, "
              "docker/dockerfile is built in"}}) {
        int line = -1;
        auto directives = directives_of(c.text, &line);
        ASSERT_FALSE(directives) << c.text;
        EXPECT_EQ(directives.error().text, c.error);
        EXPECT_EQ(directives.error().code, c.code);
        EXPECT_EQ(line, c.line);
    }
}

TEST(Directives, accept_every_version_of_the_front_end_that_is_built_in) {
    for (const char* image : {"docker/dockerfile", "docker/dockerfile:1", "docker/dockerfile:1.7-labs",
                              "docker/dockerfile-upstream:master", "docker/dockerfile:1@sha256:abc"})
        EXPECT_TRUE(check_syntax(image)) << image;
    EXPECT_TRUE(check_syntax(image::qualified_name("docker/dockerfile") + ":1"));
    for (const char* image :
         {"docker/dockerfiles", "me/dockerfile:1", "localhost:5000/docker/dockerfile:1", "docker/other"})
        EXPECT_EQ(check_syntax(image).error().code, Code::unsupported) << image;
}

TEST(Directives, check_takes_rules_in_any_case) {
    auto check = parse_check("skip=StageNameCasing,undefinedvar ; error=true;experimental=all");
    ASSERT_TRUE(check) << check.error().text;
    EXPECT_EQ(check->skip, (std::set<std::string>{"stagenamecasing", "undefinedvar"}));
    EXPECT_EQ(check->experimental, std::set<std::string>{"all"});
    EXPECT_TRUE(check->error);
    EXPECT_FALSE(parse_check("skip="));
    EXPECT_FALSE(parse_check("all"));
}

}  // namespace gantry::build::dockerfile
