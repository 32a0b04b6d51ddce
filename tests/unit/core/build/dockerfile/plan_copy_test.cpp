#include "tests/unit/core/build/dockerfile/plan_fixture.hpp"

namespace gantry::build::dockerfile {

TEST_F(PlanTest, COPY_cleans_its_paths) {
    struct Case {
        const char* words;
        Words sources;
        const char* destination;
        Words paths;
    };
    for (const Case& c : std::initializer_list<Case>{
             {"a /", {"a"}, "/", {"a"}},
             {"./a/../b c/ /d/", {"b", "c"}, "/d/", {"b", "c"}},
             {"/a /d", {"a"}, "/d", {"a"}},
             {"../../a /../../d", {"a"}, "/d", {"a"}},
             {". .", {"."}, "/w/", {}},
             {"/ ./x", {"."}, "/w/x", {}},
             {"a ..", {"a"}, "/", {"a"}},
             {"a x/.", {"a"}, "/w/x/", {"a"}},
             {"a* b?/[cd] /e/", {"a*", "b?/[cd]"}, "/e/", {"a*", "b?/[cd]"}},
             {"[\"a b\", \"c\\td/\"]", {"a b"}, "/w/c\td/", {"a b"}},
             {"$x /$x/", {"v"}, "/v/", {"v"}},
             {"'a' \"b\" /c/", {"a", "b"}, "/c/", {"a", "b"}},
             {"--parents a/./b/c.txt /d/", {"a/./b/c.txt"}, "/d/", {"a/b/c.txt"}},
             {"--parents ./a/b /d/", {"a/b"}, "/d/", {"a/b"}},
             {"--parents src/**/*.py lib/./x/** /d/", {"src/**/*.py", "lib/./x/**"}, "/d/", {"lib/x", "src"}},
             {"--parents **/*.py /d/", {"**/*.py"}, "/d/", {}},
             {"--parents a/./../b /d/", {"a/./b"}, "/d/", {"b"}}}) {
        Graph graph = plan("FROM scratch\nENV x=v\nWORKDIR /w\nCOPY " + std::string(c.words));
        const CopyAction& action = copy(graph, 1);
        EXPECT_EQ(action.sources, c.sources) << c.words;
        EXPECT_EQ(action.destination, c.destination) << c.words;
        EXPECT_EQ(all<ContextSource>(graph).at(0)->paths, c.paths) << c.words;
        EXPECT_TRUE(action.allow_nothing);
        EXPECT_FALSE(action.unpack);
    }
}

TEST_F(PlanTest, the_context_is_asked_for_what_all_steps_need) {
    options.ignore_lines = {"*.o", "!keep.o"};
    Graph graph = plan(
        "FROM debian:12 AS a\nCOPY b a /x/\nRUN --mount=source=c,target=/c x\nFROM scratch AS unused\nCOPY z /\nFROM "
        "a\nADD a d* /y/\nADD https://example.com/f /");
    ASSERT_EQ(all<ContextSource>(graph).size(), 1u);
    EXPECT_EQ(all<ContextSource>(graph)[0]->paths, (Words{"a", "b", "c", "d*"}));
    EXPECT_EQ(all<ContextSource>(graph)[0]->exclude, (Words{"*.o", "!keep.o"}));
    graph = plan("FROM debian:12\nCOPY b /\nRUN --mount=target=/c x");
    EXPECT_TRUE(all<ContextSource>(graph)[0]->paths.empty());
}

TEST_F(PlanTest, COPY_takes_every_flag) {
    Graph graph = plan(
        "FROM debian:12\nARG o=7\nCOPY --from=debian:12 --chown=$o:g --chmod=u=rwX,go= --link --parents --exclude=*.$o "
        "--exclude=x /a /b/");
    const CopyAction& action = copy(graph);
    EXPECT_EQ(action.owner.text, "7:g");
    EXPECT_EQ(action.mode, "u=rwX,go=");
    EXPECT_TRUE(action.link);
    EXPECT_TRUE(action.parents);
    EXPECT_EQ(action.exclude, (Words{"*.7", "x"}));
    EXPECT_EQ(
        graph.steps.back().name,
        "[2/2] COPY --from=debian:12 --parents --link --chown=7:g --chmod=u=rwX,go= --exclude=*.7 --exclude=x /a /b/");
    EXPECT_EQ(history(graph).back(),
              "COPY --from=debian:12 --parents --link --chown=7:g --chmod=u=rwX,go= --exclude=*.7 --exclude=x /a /b/");
    for (const char* mode : {"0", "644", "0755", "7777", "07777", "a+x", "+x", "u+rwxs,g=u,o-t", "u=rw+X"})
        EXPECT_EQ(copy(plan("FROM scratch\nCOPY --chmod=" + std::string(mode) + " a /")).mode, mode);
    for (const char* owner : {"0", "a", "a:b", "a:", "1000:1000", "user-1"})
        EXPECT_EQ(copy(plan("FROM scratch\nCOPY --chown=" + std::string(owner) + " a /")).owner.text, owner);
}

TEST_F(PlanTest, documents_are_files) {
    Graph graph = plan(
        "FROM scratch\nENV v=1\nWORKDIR /w\nCOPY --chmod=700 <<a.txt <<'b.txt' x <<-EOF d/\n$v \"q\" "
        "\\$v\na.txt\n$v\nb.txt\n\tt\n\tEOF");
    const auto* change = all<FileChange>(graph)[1];
    ASSERT_EQ(change->actions.size(), 2u);
    EXPECT_EQ(copy(graph, 1, 0).sources, Words{"x"});
    const CopyAction& action = copy(graph, 1, 1);
    EXPECT_EQ(action.destination, "/w/d/");
    EXPECT_EQ(action.mode, "700");
    EXPECT_FALSE(action.from);
    ASSERT_EQ(action.inline_files.size(), 3u);
    EXPECT_EQ(action.inline_files[0].name, "a.txt");
    EXPECT_EQ(action.inline_files[0].content, "1 \"q\" $v\n");
    EXPECT_EQ(action.inline_files[1].content, "$v\n");
    EXPECT_EQ(action.inline_files[2].content, "t\n");
    EXPECT_EQ(history(graph).back(), "COPY --chmod=700 x <<a.txt <<b.txt <<EOF d/");
    graph = plan("FROM scratch\nCOPY <<EOF /etc/file\nx\nEOF");
    EXPECT_EQ(copy(graph).destination, "/etc/file");
    EXPECT_TRUE(all<ContextSource>(graph).empty());
}

TEST_F(PlanTest, ADD_fetches_and_unpacks) {
    const std::string sum = "sha256:" + std::string(64, 'a');
    Graph graph = plan("FROM scratch\nADD --checksum=" + sum + " https://example.com/d/file.tgz /x/");
    const auto& http = *all<HttpSource>(graph).at(0);
    EXPECT_EQ(http.url, "https://example.com/d/file.tgz");
    EXPECT_EQ(http.checksum, sum);
    EXPECT_EQ(http.file_name, "file.tgz");
    EXPECT_EQ(graph.steps[0].name, "ADD https://example.com/d/file.tgz");
    EXPECT_EQ(copy(graph).from, 0u);
    EXPECT_EQ(copy(graph).sources, Words{"file.tgz"});
    EXPECT_FALSE(copy(graph).unpack);
    EXPECT_FALSE(copy(graph).allow_nothing);
    EXPECT_TRUE(copy(plan("FROM scratch\nADD --unpack https://example.com/f.tgz /x/")).unpack);
    EXPECT_TRUE(copy(plan("FROM scratch\nADD a.tar /")).unpack);
    EXPECT_FALSE(copy(plan("FROM scratch\nADD --unpack=false a.tar /")).unpack);
    EXPECT_EQ(copy(plan("FROM scratch\nADD https://example.com/ /file")).sources, Words{"download"});
    EXPECT_EQ(copy(plan("FROM scratch\nARG v=2\nADD https://example.com/f-$v.txt /")).sources, Words{"f-2.txt"});

    graph = plan(
        "FROM scratch\nADD --keep-git-dir --checksum=0123456789abcdef0123456789abcdef01234567 "
        "https://example.com/r.git#v1:sub /src");
    const auto& git = *all<GitSource>(graph).at(0);
    EXPECT_EQ(git.url, "https://example.com/r.git");
    EXPECT_EQ(git.ref, "v1");
    EXPECT_EQ(git.subdir, "sub");
    EXPECT_EQ(git.checksum, "0123456789abcdef0123456789abcdef01234567");
    EXPECT_TRUE(git.keep_git_dir);
    EXPECT_EQ(copy(graph).sources, Words{"."});
    EXPECT_FALSE(all<GitSource>(plan("FROM scratch\nADD git@example.com:r.git /src"))[0]->keep_git_dir);

    graph = plan("FROM scratch\nADD https://user:pass@example.com/f a https://example.com/r.git /x/");
    ASSERT_EQ(all<FileChange>(graph)[0]->actions.size(), 3u);
    EXPECT_EQ(all<HttpSource>(graph)[0]->url, "https://user:pass@example.com/f");
    EXPECT_EQ(history(graph).back(), "ADD https://example.com/f a https://example.com/r.git /x/");
    for (const Step& step : graph.steps) EXPECT_EQ(step.name.find("pass"), std::string::npos);
}

TEST_F(PlanTest, copies_that_cannot_be_are_refused) {
    for (auto [text, wrong] : std::initializer_list<std::pair<const char*, const char*>>{
             {"COPY a b /c",
              "COPY of more than one source: found the destination \"/c\", needed is a directory, which ends with "
              "\"/\""},
             {"COPY <<a b /c\na",
              "COPY of more than one source: found the destination \"/c\", needed is a directory, which ends with "
              "\"/\""},
             {"COPY $x /", "COPY: a source is empty once its variables are put in"},
             {"COPY a $x", "COPY: the destination is empty once its variables are put in"},
             {"COPY --chmod=8 a b", "COPY --chmod: found \"8\", allowed is an octal number up to 07777 or u=rwX,go=rX"},
             {"COPY --chmod=77777 a b",
              "COPY --chmod: found \"77777\", allowed is an octal number up to 07777 or u=rwX,go=rX"},
             {"COPY --chmod=u a b", "COPY --chmod: found \"u\", allowed is an octal number up to 07777 or u=rwX,go=rX"},
             {"COPY --chmod=u=z a b",
              "COPY --chmod: found \"u=z\", allowed is an octal number up to 07777 or u=rwX,go=rX"},
             {"COPY --chmod=$x a b", "COPY --chmod: found \"\", allowed is an octal number up to 07777 or u=rwX,go=rX"},
             {"COPY --chown=a:b:c a b", "COPY --chown: found \"a:b:c\", allowed is user[:group]"},
             {"COPY --chown=:b a b", "COPY --chown: found \":b\", allowed is user[:group]"},
             {"COPY --chown=$x a b", "COPY --chown: found \"\", allowed is user[:group]"},
             {"COPY https://example.com/f /",
              "COPY: found the URL \"https://example.com/f\", allowed are paths; ADD takes URLs"},
             {"COPY https://u:p@example.com/r.git /",
              "COPY: found the URL \"https://example.com/r.git\", allowed are paths; ADD takes URLs"},
             {"ADD file:///etc/passwd /",
              "\"file:///etc/passwd\": found the protocol \"file\", allowed are http, https, ssh and git"},
             {"ADD https://example.com/r.git#--upload-pack=x /",
              "\"https://example.com/r.git#--upload-pack=x\": found the ref \"--upload-pack=x\", allowed is a branch, "
              "a tag or a commit"},
             {"ADD https://example.com/ /d/",
              "ADD: found no name of a file in \"https://example.com/\", needed is a destination that names one"},
             {"ADD --checksum=sha256:x https://example.com/f /",
              "ADD --checksum: found \"sha256:x\", allowed is sha256: and 64 digits of 0-9 and a-f"},
             {"ADD --checksum=xyz https://example.com/r.git /",
              "ADD --checksum: found \"xyz\", allowed for git is a commit: 7 to 64 digits of 0-9 and a-f"},
             {"ADD --checksum=abcdef0 a /", "ADD --checksum: allowed with one source, a URL or a git repository"},
             {"ADD --checksum=abcdef0 https://example.com/r.git a /d/",
              "ADD --checksum: allowed with one source, a URL or a git repository"},
             {"ADD --keep-git-dir a /", "ADD --keep-git-dir: allowed with a git repository"}})
        EXPECT_EQ(error("FROM scratch\n" + std::string(text)),
                  (std::string(text).find('\n') == std::string::npos ? "Dockerfile:2: " : "Dockerfile:2-3: ") +
                      std::string(wrong))
            << text;
    EXPECT_TRUE(error("FROM scratch\nCOPY a[ /").starts_with("Dockerfile:2: COPY: "))
        << error("FROM scratch\nCOPY a[ /");
    EXPECT_TRUE(error("FROM scratch\nCOPY --exclude=[ a /").starts_with("Dockerfile:2: COPY --exclude: "));
    options.ignore_lines = {"["};
    EXPECT_TRUE(error("FROM scratch\nCOPY a /").starts_with("Dockerfile: .dockerignore: "))
        << error("FROM scratch\nCOPY a /");
}

}  // namespace gantry::build::dockerfile
