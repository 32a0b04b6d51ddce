#include "core/build/dockerfile/instruction.hpp"

#include <gtest/gtest.h>

namespace gantry::build::dockerfile {
namespace {

Result<Instruction> parse(std::string_view text) {
    Lines at;
    auto document = read_document(text, &at);
    if (!document) return document.error();
    return parse_instruction(document->instructions.at(0), document->directives.escape);
}

template <typename Body>
Body body(std::string_view text) {
    auto instruction = parse(text);
    EXPECT_TRUE(instruction) << text << ": " << (instruction ? "" : instruction.error().text);
    return instruction && std::holds_alternative<Body>(instruction->body) ? std::get<Body>(instruction->body) : Body();
}

std::vector<std::string> pairs_of(const std::vector<KeyValue>& pairs) {
    std::vector<std::string> shown;
    for (const KeyValue& pair : pairs) shown.push_back(pair.key + (pair.value ? "=" + *pair.value : ""));
    return shown;
}

using Words = std::vector<std::string>;

}  // namespace

TEST(Instruction, FROM_has_a_base_a_platform_and_a_name) {
    EXPECT_EQ(body<From>("FROM debian:12").base, "debian:12");
    From from = body<From>("from --platform=$BUILDPLATFORM debian As Web.1");
    EXPECT_EQ(from.base, "debian");
    EXPECT_EQ(from.platform, "$BUILDPLATFORM");
    EXPECT_EQ(from.stage, "Web.1");
    EXPECT_EQ(from.as_written, "As");
    EXPECT_EQ(from.from_written, "from");
}

TEST(Instruction, commands_are_lists_or_lines_for_the_shell) {
    struct Case {
        const char* rest;
        bool shell;
        Words words;
    };
    for (const Case& c : std::initializer_list<Case>{{"[\"a\", \"b c\"]", false, {"a", "b c"}},
                                                     {" [ \"a\" ] ", false, {"a"}},
                                                     {"[\"a\\n\\u00e4\"]", false, {"a\nä"}},
                                                     {"[\"\"]", false, {""}},
                                                     {"a \"b c\" && d", true, {"a \"b c\" && d"}},
                                                     {"['a', 'b']", true, {"['a', 'b']"}},
                                                     {"[\"a\", 1]", true, {"[\"a\", 1]"}},
                                                     {"[\"a\"] b", true, {"[\"a\"] b"}},
                                                     {"[ -f x ]", true, {"[ -f x ]"}},
                                                     {"{\"a\":1}", true, {"{\"a\":1}"}}}) {
        for (const CommandLine& command : {body<Cmd>("CMD " + std::string(c.rest)).command,
                                           body<Entrypoint>("ENTRYPOINT " + std::string(c.rest)).command}) {
            EXPECT_EQ(command.shell, c.shell) << c.rest;
            EXPECT_EQ(command.words, c.words) << c.rest;
        }
        if (c.words != Words{""}) {
            EXPECT_EQ(body<dockerfile::Run>("RUN " + std::string(c.rest)).command.words, c.words);
        }
    }
    EXPECT_EQ(body<Cmd>("CMD []").command.words, Words{});
}

TEST(Instruction, RUN_has_mounts_a_network_and_security) {
    const auto run = body<dockerfile::Run>(
        "RUN --mount=type=cache,target=/c --mount=\"type=bind,target=/b\" --network=none --security=sandbox -- make "
        "--flag");
    EXPECT_EQ(run.mounts, (Words{"type=cache,target=/c", "type=bind,target=/b"}));
    EXPECT_EQ(run.network, "none");
    EXPECT_EQ(run.security, "sandbox");
    EXPECT_EQ(run.command.words, Words{"make --flag"});
}

TEST(Instruction, ENV_LABEL_and_ARG_have_pairs) {
    struct Case {
        const char* text;
        bool legacy;
        Words pairs;
    };
    for (const Case& c :
         std::initializer_list<Case>{{"a=1", false, {"a=1"}},
                                     {"a=1 b=2", false, {"a=1", "b=2"}},
                                     {"a=\"1 2\" b='3 4' c=5\\ 6", false, {"a=\"1 2\"", "b='3 4'", "c=5\\ 6"}},
                                     {"a=", false, {"a="}},
                                     {"a=b=c", false, {"a=b=c"}},
                                     {"\"a b\"=c", false, {"\"a b\"=c"}},
                                     {"a 1", true, {"a=1"}},
                                     {"a  1 b=2 ", true, {"a=1 b=2"}}}) {
        Env env = body<Env>("ENV " + std::string(c.text));
        EXPECT_EQ(env.legacy, c.legacy) << c.text;
        EXPECT_EQ(pairs_of(env.pairs), c.pairs) << c.text;
        EXPECT_EQ(pairs_of(body<Label>("LABEL " + std::string(c.text)).pairs), c.pairs) << c.text;
    }
    EXPECT_EQ(pairs_of(body<Arg>("ARG a b=1 c=\"2 3\" d=").pairs), (Words{"a", "b=1", "c=\"2 3\"", "d="}));
}

TEST(Instruction, COPY_and_ADD_have_flags_sources_and_a_destination) {
    Copy copy =
        body<Copy>("COPY --from=build --chown=1:2 --chmod=u=rw --link --parents --exclude=*.o --exclude=x a b* /d/");
    EXPECT_FALSE(copy.add);
    EXPECT_EQ(copy.from, "build");
    EXPECT_EQ(copy.chown, "1:2");
    EXPECT_EQ(copy.chmod, "u=rw");
    EXPECT_TRUE(copy.link);
    EXPECT_TRUE(copy.parents);
    EXPECT_EQ(copy.exclude, (Words{"*.o", "x"}));
    EXPECT_EQ(copy.sources, (Words{"a", "b*"}));
    EXPECT_EQ(copy.destination, "/d/");
    EXPECT_FALSE(body<Copy>("COPY --link=false a b").link);
    EXPECT_EQ(body<Copy>("COPY [\"a b\", \"c\", \"/d e/\"]").sources, (Words{"a b", "c"}));
    Copy add = body<Copy>(
        "ADD --checksum=sha256:x --keep-git-dir=true --unpack=false --chmod=644 --chown=a --link --exclude=e "
        "https://h/f /d");
    EXPECT_TRUE(add.add);
    EXPECT_EQ(add.checksum, "sha256:x");
    EXPECT_EQ(add.keep_git_dir, true);
    EXPECT_EQ(add.unpack, false);
    Copy documents = body<Copy>("COPY <<a.txt x <<'b.txt' /d/\n1\na.txt\n$2\nb.txt");
    ASSERT_EQ(documents.documents.size(), 2u);
    EXPECT_EQ(documents.documents[0].content, "1\n");
    EXPECT_FALSE(documents.documents[1].expand);
    EXPECT_EQ(documents.sources, Words{"x"});
}

TEST(Instruction, the_others) {
    EXPECT_EQ(body<Maintainer>("MAINTAINER A <a@b>").text, "A <a@b>");
    EXPECT_EQ(body<Expose>("EXPOSE 80 443/tcp").ports, (Words{"80", "443/tcp"}));
    EXPECT_EQ(body<Volume>("VOLUME /a /b").paths, (Words{"/a", "/b"}));
    EXPECT_EQ(body<Volume>("VOLUME [\"/a b\"]").paths, Words{"/a b"});
    EXPECT_EQ(body<User>("USER app:app").text, "app:app");
    EXPECT_EQ(body<Workdir>("WORKDIR /a b").path, "/a b");
    EXPECT_EQ(body<StopSignal>("STOPSIGNAL 9").text, "9");
    EXPECT_EQ(body<Shell>("SHELL [\"/bin/bash\", \"-c\"]").words, (Words{"/bin/bash", "-c"}));
    EXPECT_EQ(body<Onbuild>("ONBUILD  RUN make").trigger, "RUN make");
    EXPECT_EQ(body<Onbuild>("ONBUILD RUN <<EOF\na\nEOF").trigger, "RUN <<EOF\na\nEOF");
    EXPECT_EQ(body<Healthcheck>("HEALTHCHECK NONE").test, Words{"NONE"});
    Healthcheck check = body<Healthcheck>(
        "HEALTHCHECK --interval=1m30s --timeout=2s --start-period=0s --start-interval=500ms --retries=4 CMD curl -f x "
        "|| exit 1");
    EXPECT_EQ(check.test, (Words{"CMD-SHELL", "curl -f x || exit 1"}));
    EXPECT_EQ(check.interval, 90'000'000'000);
    EXPECT_EQ(check.timeout, 2'000'000'000);
    EXPECT_EQ(check.start_period, 0);
    EXPECT_EQ(check.start_interval, 500'000'000);
    EXPECT_EQ(check.retries, 4);
    EXPECT_EQ(body<Healthcheck>("healthcheck cmd [\"a\"]").test, (Words{"CMD", "a"}));
}

TEST(Instruction, that_is_wrong_says_what_is_allowed) {
    for (auto [text, error] : std::initializer_list<std::pair<const char*, const char*>>{
             {"FROM", "FROM: found nothing, allowed is FROM [--platform=P] IMAGE [AS NAME]"},
             {"FROM a b", "FROM: found \"a b\", allowed is FROM [--platform=P] IMAGE [AS NAME]"},
             {"FROM a to b", "FROM: found \"a to b\", allowed is FROM [--platform=P] IMAGE [AS NAME]"},
             {"FROM a AS", "FROM: found \"a AS\", allowed is FROM [--platform=P] IMAGE [AS NAME]"},
             {"FROM a AS 1b",
              "FROM: invalid name of a stage: found \"1b\", allowed are letters, digits, \"-\", \"_\" and \".\" after "
              "a letter"},
             {"FROM a AS b/c",
              "FROM: invalid name of a stage: found \"b/c\", allowed are letters, digits, \"-\", \"_\" and \".\" after "
              "a letter"},
             {"FROM --platfrom=x a", "unknown flag --platfrom of FROM (did you mean --platform?)"},
             {"FROM --platform a", "FROM: the flag --platform needs a value: --platform=.."},
             {"FROM --platform=a --platform=b c",
              "FROM: the flag --platform stands there a second time, allowed is one"},
             {"RUN", "RUN needs a command"},
             {"RUN []", "RUN needs a command"},
             {"RUN [\"\"]", "RUN needs a command"},
             {"RUN --nework=none x", "unknown flag --nework of RUN (did you mean --network?)"},
             {"RUN --zzz x", "unknown flag --zzz of RUN, allowed are --mount --network --security --device"},
             {"RUN --network=bridge x", "RUN --network: found \"bridge\", allowed are default, none and host"},
             {"RUN --security=none x", "RUN --security: found \"none\", allowed are sandbox and insecure"},
             {"RUN --device=gpu x", "RUN --device is not supported: builds have no devices"},
             {"RUN [\"a\\u0000\"]", "RUN: found a NUL in \"a\\u0000\""},
             {"RUN <<a/b\na/b", "RUN: found a here-document named \"a/b\", allowed is a word without \"/\""},
             {"CMD", "CMD needs a command"},
             {"CMD --x", "unknown flag --x of CMD, which has none"},
             {"ENTRYPOINT", "ENTRYPOINT needs a command"},
             {"ENV", "ENV needs a name and a value: ENV name=value"},
             {"ENV a", "ENV: found \"a\" alone, needed is a value: ENV name=value"},
             {"ENV a=1 b", "ENV: found \"b\" without \"=\", allowed is name=value; a value with blanks is quoted"},
             {"ENV =1", "ENV: found \"=1\", needed is a name before \"=\""},
             {"LABEL a=1 b", "LABEL: found \"b\" without \"=\", allowed is name=value; a value with blanks is quoted"},
             {"ARG", "ARG needs a name: ARG name[=default]"},
             {"ARG =1", "ARG: found \"=1\", needed is a name before \"=\""},
             {"MAINTAINER", "MAINTAINER needs a name"},
             {"EXPOSE", "EXPOSE needs a port: EXPOSE 80/tcp"},
             {"VOLUME", "VOLUME needs a path: VOLUME /data"},
             {"VOLUME []", "VOLUME needs a path: VOLUME /data"},
             {"USER", "USER needs a user: USER name[:group]"},
             {"WORKDIR", "WORKDIR needs a path: WORKDIR /app"},
             {"STOPSIGNAL", "STOPSIGNAL needs a signal: STOPSIGNAL SIGTERM"},
             {"SHELL /bin/sh", "SHELL: found \"/bin/sh\", allowed is a JSON list: SHELL [\"/bin/bash\", \"-c\"]"},
             {"SHELL []", "SHELL: found \"[]\", allowed is a JSON list: SHELL [\"/bin/bash\", \"-c\"]"},
             {"COPY", "COPY needs at least a source and a destination, found nothing"},
             {"COPY a", "COPY needs at least a source and a destination, found \"a\""},
             {"COPY --chow=1 a b", "unknown flag --chow of COPY (did you mean --chown?)"},
             {"COPY --checksum=x a b",
              "unknown flag --checksum of COPY, allowed are --from --chown --chmod --link --parents --exclude"},
             {"COPY --link=maybe a b", "COPY --link: found \"maybe\", allowed are true and false"},
             {"COPY --from= a b", "COPY: the flag --from needs a value: --from=.."},
             {"COPY a <<EOF\nEOF", "COPY: the destination is a here-document, needed is a path"},
             {"COPY <<../x /d/\n../x", "COPY: found a here-document named \"../x\", allowed is a word without \"/\""},
             {"COPY <<.. /d/\n..", "COPY: found a here-document named \"..\", allowed is a word without \"/\""},
             {"COPY --from=a <<EOF /d/\nEOF", "COPY --from: found a here-document, allowed are paths"},
             {"ADD --from=a b c",
              "unknown flag --from of ADD, allowed are --chown --chmod --link --keep-git-dir --checksum --exclude "
              "--unpack"},
             {"HEALTHCHECK", "HEALTHCHECK: found nothing, allowed are NONE and CMD"},
             {"HEALTHCHECK curl", "HEALTHCHECK: found \"curl\", allowed are NONE and CMD"},
             {"HEALTHCHECK NONE x", "HEALTHCHECK NONE: found \"x\", allowed is nothing"},
             {"HEALTHCHECK CMD", "HEALTHCHECK CMD needs a command"},
             {"HEALTHCHECK CMD []", "HEALTHCHECK CMD needs a command"},
             {"HEALTHCHECK --interval=1x CMD a",
              "HEALTHCHECK --interval: found \"1x\", allowed is a duration of 1ms and more, such as 30s or 1m30s"},
             {"HEALTHCHECK --timeout=1us CMD a",
              "HEALTHCHECK --timeout: found \"1us\", allowed is a duration of 1ms and more, such as 30s or 1m30s"},
             {"HEALTHCHECK --timeout=-1s CMD a",
              "HEALTHCHECK --timeout: found \"-1s\", allowed is a duration of 1ms and more, such as 30s or 1m30s"},
             {"HEALTHCHECK --retries=-1 CMD a",
              "HEALTHCHECK --retries: found \"-1\", allowed is a number from 0 to 1000000"},
             {"HEALTHCHECK --retrie=1 CMD a", "unknown flag --retrie of HEALTHCHECK (did you mean --retries?)"},
             {"ONBUILD", "ONBUILD needs an instruction"},
             {"ONBUILD FROM a", "ONBUILD FROM is not allowed: a trigger is neither ONBUILD nor FROM nor MAINTAINER"},
             {"ONBUILD ONBUILD RUN a",
              "ONBUILD ONBUILD is not allowed: a trigger is neither ONBUILD nor FROM nor MAINTAINER"},
             {"ONBUILD maintainer a",
              "ONBUILD MAINTAINER is not allowed: a trigger is neither ONBUILD nor FROM nor MAINTAINER"},
             {"ONBUILD COPPY a b", "unknown instruction: COPPY (did you mean COPY?)"},
             {"ONBUILD COPY a", "COPY needs at least a source and a destination, found \"a\""}}) {
        auto instruction = parse(text);
        ASSERT_FALSE(instruction) << text;
        EXPECT_EQ(instruction.error().text, error) << text;
    }
    EXPECT_EQ(parse("RUN --device=gpu x").error().code, Code::unsupported);
    EXPECT_EQ(parse_trigger("RUN a\nRUN b").error().text, "ONBUILD: found more than one instruction, allowed is one");
}

}  // namespace gantry::build::dockerfile
