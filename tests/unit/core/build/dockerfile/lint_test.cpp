// The rules, each with what breaks it and what does not.
#include "core/build/dockerfile/lint.hpp"

#include "tests/unit/core/build/dockerfile/plan_fixture.hpp"

namespace gantry::build::dockerfile {

TEST_F(PlanTest, each_rule_tells_what_breaks_it) {
    struct Case {
        const char* text;
        Words warnings;
    };
    const std::string secret =
        ": its name says that it is a secret, and it stays in the image; RUN --mount=type=secret does not";
    for (
        const Case& c : std::initializer_list<Case>{
            {"FROM scratch AS Web", {"StageNameCasing:1 the name of stage \"Web\" is not in lower case"}},
            {"FROM scratch as web", {"FromAsCasing:1 as is not in the case of FROM"}},
            {"from scratch AS web", {"FromAsCasing:1 AS is not in the case of from"}},
            {"FROM scratch\nENV a=1 \\\n\n b=2",
             {"NoEmptyContinuation:2 a blank line stands within the instruction ENV"}},
            {"FROM scratch\nENV a=1\nenv b=2\nEnv c=3",
             {"ConsistentInstructionCasing:3 the instruction env is not in upper case as most others are",
              "ConsistentInstructionCasing:4 the instruction Env is not in upper case as most others are"}},
            {"from scratch\nenv a=1\nENV b=2",
             {"ConsistentInstructionCasing:3 the instruction ENV is not in lower case as most others are"}},
            {"FROM scratch AS a\nFROM scratch AS a",
             {"DuplicateStageName:2 there is a stage \"a\" already: instructions reach only the last of them"}},
            {"FROM scratch AS scratch",
             {"ReservedStageName:1 \"scratch\" means something else: a stage needs another name"}},
            {"FROM scratch AS context",
             {"ReservedStageName:1 \"context\" means something else: a stage needs another name"}},
            {"FROM scratch\nCMD a",
             {"JSONArgsRecommended:2 CMD as a line for the shell: signals reach the shell and not the program, unlike "
              "CMD [\"..\"]"}},
            {"FROM scratch\nENTRYPOINT a",
             {"JSONArgsRecommended:2 ENTRYPOINT as a line for the shell: signals reach the shell and not the program, "
              "unlike ENTRYPOINT [\"..\"]"}},
            {"FROM scratch\nCMD ['a']",
             {"JSONArgsRecommended:2 what follows CMD looks like a JSON list and is none: it is taken as a line for "
              "the shell"}},
            {"FROM scratch\nSHELL [\"/bin/bash\", \"-c\"]\nCMD a", {}},
            {"FROM scratch\nMAINTAINER a",
             {"MaintainerDeprecated:2 MAINTAINER is deprecated: LABEL org.opencontainers.image.authors=.. says it"}},
            {"ARG base=debian:12\nFROM ${bse:-scratch}\nFROM ${bse}debian:12",
             {"UndefinedArgInFrom:3 FROM uses $bse, which no ARG before the first FROM declares: perhaps \"base\" was "
              "meant"}},
            {"ARG unset\nFROM ${unset}debian:12", {}},
            {"FROM debian:12\nENV a=$PAHT b=${c:-d} e=${f}",
             {"UndefinedVar:2 the variable $PAHT is not defined: perhaps \"PATH\" was meant",
              "UndefinedVar:2 the variable $f is not defined"}},
            {"FROM debian:12\nARG a\nENV b=$a", {}},
            {"FROM debian:12\nCOPY $x a /b/", {}},
            {"FROM debian:12\nWORKDIR app",
             {"WorkdirRelativePath:2 WORKDIR app is relative to what the base image happens to have"}},
            {"FROM debian:12\nWORKDIR /a\nWORKDIR b", {}},
            {"FROM scratch\nARG API_TOKEN\nENV password=x my_KEY=y PUBLIC_KEY=z KEYBOARD=q TOKEN_FILE=f",
             {"SecretsUsedInArgOrEnv:2 ARG API_TOKEN" + secret, "SecretsUsedInArgOrEnv:3 ENV password" + secret,
              "SecretsUsedInArgOrEnv:3 ENV my_KEY" + secret}},
            {"FROM scratch\nENV a b\nLABEL c d",
             {"LegacyKeyValueFormat:2 ENV name value is the old form of ENV name=value",
              "LegacyKeyValueFormat:3 LABEL name value is the old form of LABEL name=value"}},
            {"FROM scratch\nCMD [\"a\"]\nENTRYPOINT [\"a\"]\nHEALTHCHECK NONE\nCMD [\"b\"]\nENTRYPOINT "
             "[\"b\"]\nHEALTHCHECK NONE",
             {"MultipleInstructionsDisallowed:2 this CMD has no effect: another one in line 5 of the same stage "
              "follows",
              "MultipleInstructionsDisallowed:3 this ENTRYPOINT has no effect: another one in line 6 of the same stage "
              "follows",
              "MultipleInstructionsDisallowed:4 this HEALTHCHECK has no effect: another one in line 7 of the same "
              "stage follows"}},
            {"FROM scratch AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]", {}},
            {"FROM --platform=$TARGETPLATFORM debian:12",
             {"RedundantTargetPlatform:1 --platform=$TARGETPLATFORM says what is so without it"}},
            {"FROM --platform=$BUILDPLATFORM debian:12", {}},
            {"FROM --platform=linux/amd64 debian:12",
             {"FromPlatformFlagConstDisallowed:1 --platform=linux/amd64 is the same for every target: a variable such "
              "as $BUILDPLATFORM, or a stage's name with the platform in it, says that it is meant so"}},
            {"FROM --platform=linux/amd64 debian:12 AS build_amd64", {}},
            {"ARG tag\nFROM debian:${tag}12\nFROM debian:$tag",
             {"InvalidDefaultArgInFrom:3 with the defaults of its ARGs alone, \"debian:$tag\" is no name of an image"}},
            {"FROM scratch\nEXPOSE 80/TCP", {"ExposeProtoCasing:2 the protocol of EXPOSE 80/TCP is not in lower case"}},
            {"FROM scratch\nEXPOSE 8080:80",
             {"ExposeInvalidFormat:2 EXPOSE 8080:80 has an address or a port of the host, which only publishing can "
              "give"}},
            {"FROM debian:12 AS a\nRUN a\nFROM a\nUSER u", {}}}) {
        if (std::string_view(c.text).starts_with("ARG tag")) options.args = {{"tag", "12"}};
        if (std::string_view(c.text).find("COPY $x") != std::string_view::npos) {
            EXPECT_EQ(error(c.text), "Dockerfile:2: COPY: a source is empty once its variables are put in");
            EXPECT_EQ(shown(diagnosis.warnings), Words{"UndefinedVar:2 the variable $x is not defined"});
            continue;
        }
        if (options.args.contains("tag")) image("debian:1212", "{}");
        EXPECT_EQ(shown(plan(c.text).warnings), c.warnings) << c.text;
        options.args.clear();
    }
}

TEST_F(PlanTest, an_image_of_another_platform_is_told_of) {
    image("arm", "{}", R"({"architecture":"arm64"})");
    Graph graph = plan("FROM arm");
    EXPECT_EQ(shown(graph.warnings),
              Words{"InvalidBaseImagePlatform:1 the image arm is for linux/arm64, asked for was linux/amd64"});
    EXPECT_EQ(graph.target.config["architecture"], "arm64");
}

TEST_F(PlanTest, files_that_are_ignored_are_told_of) {
    options.ignore_lines = {"*.o", "build", "docs/*.md"};
    auto of = [&](const std::string& instruction) {
        return shown(plan("FROM debian:12 AS a\nRUN x\nFROM a\n" + instruction).warnings);
    };
    EXPECT_EQ(of("COPY a.o /"), Words{"CopyIgnoredFile:4 COPY of \"a.o\", which .dockerignore leaves out"});
    EXPECT_EQ(of("ADD ./build/x /"), Words{"CopyIgnoredFile:4 ADD of \"build/x\", which .dockerignore leaves out"});
    EXPECT_EQ(of("COPY a.c docs sub/a.o /d/"), Words{});
    EXPECT_EQ(of("COPY . /"), Words{});
    EXPECT_EQ(of("COPY --from=debian:12 /a.o /"), Words{});
    EXPECT_EQ(of("ADD https://example.com/a.o /"), Words{});
    options.ignore_lines = {"**"};
    EXPECT_EQ(of("COPY . /"), Words{"CopyIgnoredFile:4 COPY of \".\", which .dockerignore leaves out"});
    options.ignore_lines = {"*", "!a.o"};
    EXPECT_EQ(of("COPY b.o /"), Words{});
}

TEST_F(PlanTest, descriptions_are_looked_at_where_it_is_asked_for) {
    const char* text =
        "# check=experimental=InvalidDefinitionDescription\n# bar what it is\nARG bar\n# something else\nARG foo\n\n# "
        "apart\n\nFROM scratch AS base\n"
        "# wrong words\nFROM scratch AS web";
    EXPECT_EQ(shown(plan(text).warnings),
              (Words{"InvalidDefinitionDescription:5 the comment above \"foo\" does not begin with that name: \"# foo "
                     "what it is\", or a blank line below it",
                     "InvalidDefinitionDescription:11 the comment above \"web\" does not begin with that name: \"# web "
                     "what it is\", or a blank line below it"}));
    EXPECT_EQ(shown(plan("# wrong\nARG foo\nFROM scratch").warnings), Words{});
}

TEST_F(PlanTest, rules_are_skipped_where_it_is_said) {
    EXPECT_EQ(
        shown(plan("# check=skip=StageNameCasing,FROMASCASING\nFROM scratch as Web\nMAINTAINER a").warnings).size(),
        1u);
    EXPECT_EQ(shown(plan("# check=skip=all\nFROM scratch as Web\nMAINTAINER a").warnings), Words{});
    EXPECT_EQ(shown(plan("FROM scratch\n# check=skip=LegacyKeyValueFormat\nENV a b\nENV c d").warnings),
              Words{"LegacyKeyValueFormat:4 ENV name value is the old form of ENV name=value"});
    options.args = {{"BUILDKIT_DOCKERFILE_CHECK", "skip=all"}};
    EXPECT_EQ(shown(plan("FROM scratch as Web").warnings), Words{});
    options.args = {{"BUILDKIT_DOCKERFILE_CHECK", "skip"}};
    EXPECT_EQ(error("FROM scratch"),
              "Dockerfile: check: found \"skip\", allowed are skip=RULE,.., error=true|false and experimental=RULE,..");
}

TEST_F(PlanTest, a_warning_is_an_error_where_it_is_said) {
    EXPECT_EQ(error("# check=error=true\nFROM scratch\nENV a b\nMAINTAINER c"),
              "Dockerfile:4: the check MaintainerDeprecated fails: MAINTAINER is deprecated: LABEL "
              "org.opencontainers.image.authors=.. says it");
    EXPECT_EQ(diagnosis.lines.first, 4);
    EXPECT_EQ(diagnosis.warnings.size(), 2u);
    plan("# check=error=true;skip=MaintainerDeprecated\nFROM scratch\nMAINTAINER c");
    plan("# check=error=true\nFROM scratch");
}

TEST_F(PlanTest, stages_that_are_not_needed_are_checked_only_for_check) {
    const char* text = "FROM scratch AS unused\nENV a b\nFROM scratch";
    EXPECT_EQ(plan(text).warnings.size(), 0u);
    options.all_stages = true;
    EXPECT_EQ(plan(text).warnings.size(), 1u);
}

TEST_F(PlanTest, build_arguments_without_effect_are_told_of_and_fail_no_check) {
    image("triggers", R"({"OnBuild":["ARG trigger"]})");
    options.args = {{"global", "1"},
                    {"stage", "1"},
                    {"trigger", "1"},
                    {"stge", "1"},
                    {"BUILDKIT_INLINE_CACHE", "1"},
                    {"HTTP_PROXY", "p"},
                    {"no_proxy", "p"},
                    {"SOURCE_DATE_EPOCH", "1"},
                    {"TARGETARCH", "amd64"},
                    {"BUILDKIT_SYNTAX", "docker/dockerfile:1"}};
    EXPECT_EQ(shown(plan("# check=error=true\nARG global\nFROM scratch AS unused\nARG stage\nFROM triggers").warnings),
              (Words{"BuildArgument:0 the build argument BUILDKIT_INLINE_CACHE has no effect here",
                     "BuildArgument:0 no ARG declares the build argument stge: perhaps \"stage\" was meant"}));
}

TEST(Lint, names_every_rule_once) {
    std::set<std::string> names(rule_names().begin(), rule_names().end());
    EXPECT_EQ(names.size(), 22u);
    EXPECT_EQ(rule_names().size(), 22u);
}

}  // namespace gantry::build::dockerfile
