#include "tests/unit/core/build/dockerfile/plan_fixture.hpp"

namespace gantry::build::dockerfile {

TEST_F(PlanTest, RUN_is_a_list_a_line_or_a_document) {
    struct Case {
        const char* run;
        Words argv;
        const char* name;
    };
    for (const Case& c : std::initializer_list<Case>{
             {"RUN a  b", {"/bin/sh", "-c", "a  b"}, "RUN a  b"},
             {"RUN a && \\\n  b", {"/bin/sh", "-c", "a &&   b"}, "RUN a &&   b"},
             {"RUN [\"a\", \"$b\"]", {"a", "$b"}, "RUN [\"a\", \"$b\"]"},
             {"run echo '$x'", {"/bin/sh", "-c", "echo '$x'"}, "RUN echo '$x'"},
             {"SHELL [\"/bin/bash\", \"-ec\"]\nRUN a", {"/bin/bash", "-ec", "a"}, "RUN a"},
             {"RUN <<EOF\na $b\n  c\nEOF", {"/bin/sh", "-c", "a $b\n  c\n"}, "RUN <<EOF (a $b...)"},
             {"RUN <<-EOF\n\ta\n\tEOF", {"/bin/sh", "-c", "a\n"}, "RUN <<-EOF (a)"},
             {"RUN <<EOF bash\na\nEOF", {"/bin/sh", "-c", "<<EOF bash\na\nEOF"}, "RUN <<EOF bash (a)"},
             {"RUN cat <<A > x && cat <<-'B'\n1\nA\n\t2\n\tB",
              {"/bin/sh", "-c", "cat <<A > x && cat <<-'B'\n1\nA\n\t2\nB"},
              "RUN cat <<A > x && cat <<-'B' (1)"}}) {
        Graph graph = plan("FROM debian:12\n" + std::string(c.run));
        EXPECT_EQ(all<Exec>(graph).at(0)->argv, c.argv) << c.run;
        EXPECT_EQ(graph.steps.back().name, "[2/2] " + std::string(c.name));
    }
}

TEST_F(PlanTest, a_document_with_an_interpreter_is_a_program) {
    Graph graph = plan("FROM debian:12\nRUN <<EOF\n#!/usr/bin/python3\nprint(1)\nEOF");
    const Exec& exec = *all<Exec>(graph)[0];
    EXPECT_EQ(exec.argv, Words{"/dev/pipes/EOF"});
    ASSERT_EQ(exec.mounts.size(), 1u);
    EXPECT_EQ(exec.mounts[0].kind, Mount::Kind::inline_file);
    EXPECT_EQ(exec.mounts[0].target, "/dev/pipes/EOF");
    EXPECT_EQ(exec.mounts[0].content, "#!/usr/bin/python3\nprint(1)\n");
    EXPECT_EQ(exec.mounts[0].mode, 0755u);
}

TEST_F(PlanTest, RUN_has_a_directory_a_user_a_network_and_security) {
    Graph graph = plan(
        "FROM debian:12\nRUN a\nUSER u\nWORKDIR /w\nRUN --network=none b\nRUN --network=host --security=insecure "
        "c\nRUN --security=sandbox --network=default d");
    auto runs = all<Exec>(graph);
    EXPECT_EQ(runs[0]->workdir, "/");
    EXPECT_EQ(runs[0]->user, "");
    EXPECT_EQ(runs[0]->network, Exec::Network::standard);
    EXPECT_EQ(runs[1]->workdir, "/w");
    EXPECT_EQ(runs[1]->user, "u");
    EXPECT_EQ(runs[1]->network, Exec::Network::none);
    EXPECT_FALSE(runs[1]->insecure);
    EXPECT_EQ(runs[2]->network, Exec::Network::host);
    EXPECT_TRUE(runs[2]->insecure);
    EXPECT_EQ(runs[3]->network, Exec::Network::standard);
    EXPECT_FALSE(runs[3]->insecure);
    EXPECT_EQ(runs[1]->base, 2u);
    options.network = Exec::Network::none;
    runs = all<Exec>(graph = plan("FROM debian:12\nRUN a\nRUN --network=host b"));
    EXPECT_EQ(runs[0]->network, Exec::Network::none);
    EXPECT_EQ(runs[1]->network, Exec::Network::host);
}

TEST_F(PlanTest, mounts_are_completed) {
    Graph graph = plan(
        "FROM debian:12 AS a\nRUN a\nFROM debian:12\nARG id=pip\nWORKDIR /w\n"
        "RUN --mount=target=. --mount=type=bind,source=/x/../src,target=b,rw --mount=from=a,src=/bin,dst=/a "
        "--mount=type=cache,target=c --mount=type=cache,id=$id,target=/root/.cache,from=a,source=x,mode=0700,uid=1 "
        "--mount=type=tmpfs,target=/t,size=1k --mount=type=secret,id=dir/aws --mount=type=secret,target=/s/key "
        "--mount=type=secret,id=tok,env=TOKEN --mount=type=secret,id=tok,env=TOKEN,target=t --mount=type=ssh "
        "--mount=type=ssh,id=k x");
    const Exec& exec = *all<Exec>(graph)[1];
    const auto& mounts = exec.mounts;
    ASSERT_EQ(mounts.size(), 12u);
    EXPECT_EQ(mounts[0].target, "/w");
    EXPECT_EQ(mounts[0].source, "");
    ASSERT_TRUE(mounts[0].from);
    EXPECT_EQ(std::get<ContextSource>(graph.steps[*mounts[0].from].operation).name, "context");
    EXPECT_FALSE(mounts[0].writable);
    EXPECT_EQ(mounts[1].target, "/w/b");
    EXPECT_EQ(mounts[1].source, "src");
    EXPECT_TRUE(mounts[1].writable);
    EXPECT_EQ(mounts[2].from, 1u);
    EXPECT_EQ(mounts[2].source, "bin");
    EXPECT_EQ(mounts[3].id, "/w/c");
    EXPECT_EQ(mounts[3].mode, 0755u);
    EXPECT_FALSE(mounts[3].from);
    EXPECT_EQ(mounts[4].id, "pip");
    EXPECT_EQ(mounts[4].from, 1u);
    EXPECT_EQ(mounts[4].mode, 0700u);
    EXPECT_EQ(mounts[5].size, 1024);
    EXPECT_EQ(mounts[6].target, "/run/secrets/aws");
    EXPECT_EQ(mounts[6].mode, 0400u);
    EXPECT_EQ(mounts[7].id, "key");
    EXPECT_EQ(mounts[8].target, "");
    EXPECT_EQ(mounts[8].env, "TOKEN");
    EXPECT_EQ(mounts[9].target, "/w/t");
    EXPECT_EQ(mounts[10].id, "default");
    EXPECT_EQ(mounts[10].target, "/run/buildkit/ssh_agent.0");
    EXPECT_EQ(mounts[10].mode, 0600u);
    EXPECT_EQ(mounts[11].target, "/run/buildkit/ssh_agent.1");
}

TEST_F(PlanTest, caches_may_have_a_space_of_their_own) {
    options.args = {{"BUILDKIT_CACHE_MOUNT_NS", "team"}};
    EXPECT_EQ(all<Exec>(plan("FROM debian:12\nRUN --mount=type=cache,target=/c x"))[0]->mounts[0].id, "team//c");
    options.args = {{"BUILDKIT_CACHE_MOUNT_NS", "../.."}};
    EXPECT_EQ(error("FROM debian:12\nRUN --mount=type=cache,target=/c x"),
              "Dockerfile:2: BUILDKIT_CACHE_MOUNT_NS: found \"../..\", allowed is a name without \"..\"");
}

TEST_F(PlanTest, mounts_that_are_wrong_are_refused_where_they_stand) {
    for (auto [mount, wrong] : std::initializer_list<std::pair<const char*, const char*>>{
             {"type=bind,target=/", "RUN --mount target: found \"/\", allowed is a path below it"},
             {"type=cache,target=/a/..", "RUN --mount target: found \"/\", allowed is a path below it"},
             {"type=ssh,target=/", "RUN --mount target: found \"/\", allowed is a path below it"},
             {"type=cache,target=/c,source=/x",
              "RUN --mount type=cache source: found a path, needed is what it is in: from=.."},
             {"type=cache,target=/c,id=$nothing", "RUN --mount id needs a value: id=.."},
             {"type=${t:-volume},target=/c",
              "RUN --mount type: found \"volume\", allowed is bind, cache, tmpfs, secret or ssh"}})
        EXPECT_EQ(error("FROM debian:12\n\nRUN --mount=" + std::string(mount) + " x"),
                  "Dockerfile:3: " + std::string(wrong))
            << mount;
    std::string many;
    for (int i = 0; i < 101; ++i) many += " --mount=type=tmpfs,target=/t";
    EXPECT_EQ(error("FROM debian:12\nRUN" + many + " x"), "Dockerfile:2: RUN has more than 100 mounts");
}

TEST_F(PlanTest, proxies_are_given_and_leave_no_trace) {
    options.args = {{"HTTP_PROXY", "http://p:1"},
                    {"no_proxy", "local"},
                    {"HTTPS_PROXY", "http://s:1"},
                    {"https_proxy", "http://t:1"}};
    Graph graph = plan("FROM debian:12\nRUN a");
    const Exec& exec = *all<Exec>(graph)[0];
    EXPECT_EQ(exec.env, Words{"PATH=/bin"});
    EXPECT_EQ(exec.unkeyed_env, (Words{"HTTP_PROXY=http://p:1", "http_proxy=http://p:1", "HTTPS_PROXY=http://s:1",
                                       "https_proxy=http://t:1", "NO_PROXY=local", "no_proxy=local"}));
    EXPECT_EQ(history(graph).back(), "RUN /bin/sh -c a");
    EXPECT_EQ(graph.target.config.dump().find("http://p:1"), std::string::npos);
    // One who declares it wants it to be seen.
    graph = plan("FROM debian:12\nARG HTTP_PROXY\nRUN a");
    EXPECT_EQ(all<Exec>(graph)[0]->env.back(), "HTTP_PROXY=http://p:1");
    EXPECT_EQ(all<Exec>(graph)[0]->unkeyed_env[0], "http_proxy=http://p:1");
}

}  // namespace gantry::build::dockerfile
