#include "core/build/dockerfile/reader.hpp"

#include <gtest/gtest.h>

#include "core/build/dockerfile/limits.hpp"

namespace gantry::build::dockerfile {
namespace {

Document read(std::string_view text) {
    Lines at;
    auto document = read_document(text, &at);
    EXPECT_TRUE(document) << text << ": " << (document ? "" : document.error().text);
    return document ? std::move(*document) : Document();
}

// One instruction as "NAME rest @first-last".
std::string shown(const RawInstruction& instruction) {
    return instruction.name + " " + instruction.rest + " @" + std::to_string(instruction.lines.first) + "-" +
           std::to_string(instruction.lines.last);
}

}  // namespace

TEST(DockerfileReader, joins_continuations_and_leaves_comments_out) {
    struct Case {
        const char* text;
        std::vector<std::string> instructions;
    };
    for (const Case& c : std::initializer_list<Case>{
             {"FROM a", {"FROM a @1-1"}},
             {"from a\n", {"FROM a @1-1"}},
             {"\xef\xbb\xbf"
              "FROM a\n",
              {"FROM a @1-1"}},
             {"\r\n# c\r\n  FROM a  \r\nRUN x\r\n", {"FROM a @3-3", "RUN x @4-4"}},
             {"RUN a \\\n  b\nRUN c", {"RUN a   b @1-2", "RUN c @3-3"}},
             {"RUN a \\  \n b", {"RUN a  b @1-2"}},
             {"RUN a \\\n# c\n  # d\nb", {"RUN a b @1-4"}},
             {"RUN a \\\n\n \nb", {"RUN a b @1-4"}},
             {"RUN a \\\r\n b\r\n", {"RUN a  b @1-2"}},
             {"RUN a \\\\\nRUN b", {"RUN a \\\\ @1-1", "RUN b @2-2"}},
             {"RUN a \\", {"RUN a @1-1"}},
             {"RUN \\\n a", {"RUN a @1-2"}},
             {"RUN\ta", {"RUN a @1-1"}},
             {"# escape=`\nRUN a `\n b\nRUN c \\\nRUN d", {"RUN a  b @2-3", "RUN c \\ @4-4", "RUN d @5-5"}},
             {"RUN a # b", {"RUN a # b @1-1"}}}) {
        std::vector<std::string> instructions;
        for (const RawInstruction& instruction : read(c.text).instructions) instructions.push_back(shown(instruction));
        EXPECT_EQ(instructions, c.instructions) << c.text;
    }
    EXPECT_TRUE(read("RUN a \\\n\nb").instructions[0].empty_continuation);
    EXPECT_FALSE(read("RUN a \\\nb").instructions[0].empty_continuation);
}

TEST(DockerfileReader, keeps_the_comments_straight_above_an_instruction) {
    Document document = read("# first\n\n# second\n#third\nFROM a\nRUN b");
    EXPECT_EQ(document.instructions[0].comments, (std::vector<std::string>{"second", "third"}));
    EXPECT_TRUE(document.instructions[1].comments.empty());
}

TEST(DockerfileReader, takes_here_documents) {
    struct Expected {
        const char *name, *content;
        bool expand, tabs;
    };
    struct Case {
        const char* text;
        int last;
        std::vector<Expected> heredocs;
    };
    for (const Case& c : std::initializer_list<Case>{
             {"RUN <<EOF\na\n b\nEOF\nRUN c", 4, {{"EOF", "a\n b\n", true, false}}},
             {"RUN <<EOF\nEOF", 2, {{"EOF", "", true, false}}},
             {"RUN <<-EOF\n\ta\n\tEOF", 3, {{"EOF", "\ta\n", true, true}}},
             {"RUN <<'EOF' sh\n$a\nEOF", 3, {{"EOF", "$a\n", false, false}}},
             {"RUN <<\"EOF\"\nEOF", 2, {{"EOF", "", false, false}}},
             {"RUN <<E\\OF\nEOF", 2, {{"EOF", "", false, false}}},
             {"RUN cat <<A > f && cat 3<<B\n1\nA\n2\nB", 5, {{"A", "1\n", true, false}, {"B", "2\n", true, false}}},
             {"COPY <<a.txt <<b.txt /d/\nx\na.txt\nb.txt",
              4,
              {{"a.txt", "x\n", true, false}, {"b.txt", "", true, false}}},
             {"RUN --mount=type=tmpfs,target=/t <<EOF\n# no comment\n\nEOF",
              4,
              {{"EOF", "# no comment\n\n", true, false}}},
             {"ONBUILD RUN <<EOF\na\nEOF", 3, {{"EOF", "a\n", true, false}}},
             {"RUN <<EOF\r\na\r\nEOF\r\n", 3, {{"EOF", "a\n", true, false}}},
             {"COPY <<EOF /f\r\na\r\nEOF\r\n", 3, {{"EOF", "a\r\n", true, false}}},
             {"RUN echo \"<<EOF\"", 1, {}},
             {"RUN [\"cat\", \"<<EOF\"]", 1, {}},
             {"RUN cat <<<EOF", 1, {}},
             {"RUN echo $((1 << 2))", 1, {}},
             {"ENV a=<<EOF", 1, {}}}) {
        Document document = read(c.text);
        ASSERT_FALSE(document.instructions.empty()) << c.text;
        const RawInstruction& instruction = document.instructions[0];
        EXPECT_EQ(instruction.lines.last, c.last) << c.text;
        ASSERT_EQ(instruction.heredocs.size(), c.heredocs.size()) << c.text;
        for (std::size_t i = 0; i < c.heredocs.size(); ++i) {
            EXPECT_EQ(instruction.heredocs[i].name, c.heredocs[i].name) << c.text;
            EXPECT_EQ(instruction.heredocs[i].content, c.heredocs[i].content) << c.text;
            EXPECT_EQ(instruction.heredocs[i].expand, c.heredocs[i].expand) << c.text;
            EXPECT_EQ(instruction.heredocs[i].strip_tabs, c.heredocs[i].tabs) << c.text;
        }
    }
    EXPECT_EQ(read("RUN <<-EOF\n\t\ta\n\tb\tc\nEOF").instructions[0].heredocs[0].text(), "a\nb\tc\n");
}

TEST(DockerfileReader, says_in_which_line_something_is_wrong) {
    struct Case {
        std::string text;
        int first, last;
        Code code;
        std::string error;
    };
    const std::string all =
        "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER "
        "VOLUME WORKDIR";
    for (const Case& c : std::initializer_list<Case>{
             {"", 0, 0, Code::invalid, "the Dockerfile has no instruction, needed is at least a FROM"},
             {"# only\n\n", 0, 0, Code::invalid, "the Dockerfile has no instruction, needed is at least a FROM"},
             {"\nFORM a", 2, 2, Code::invalid, "unknown instruction: FORM (did you mean FROM?)"},
             {"FROM a\nrunn \\\nx", 2, 3, Code::invalid, "unknown instruction: runn (did you mean RUN?)"},
             {"FROM a\nINCLUDE+ x", 2, 2, Code::invalid, "unknown instruction: INCLUDE+, allowed are " + all},
             {"FROM a\nRUN <<EOF\nx\nEOF ", 2, 2, Code::invalid,
              "the here-document has no end: a line with nothing but \"EOF\""},
             {std::string("FROM a\nRUN \0", 12), 2, 2, Code::invalid, "the line has a NUL byte"},
             {"FROM a\n\nRUN \xff", 3, 3, Code::invalid, "the line is not UTF-8"},
             {"FROM a\nRUN \xed\xa0\x80", 2, 2, Code::invalid, "the line is not UTF-8"},
             {"FROM a\nRUN \xc0\xaf", 2, 2, Code::invalid, "the line is not UTF-8"},
             {"# escape=a\nFROM a", 1, 1, Code::invalid, "escape: found \"a\", allowed are \\ and `"},
             {"FROM a\nRUN " + std::string(kMaxLine, 'x'), 2, 2, Code::exhausted,
              "the instruction is longer than 262144 bytes"},
             {std::string(kMaxText + 1, '\n'), 0, 0, Code::exhausted,
              "the Dockerfile has 2097153 bytes, allowed are 2097152"}}) {
        Lines at{-1, -1};
        auto document = read_document(c.text, &at);
        ASSERT_FALSE(document) << c.text.substr(0, 100);
        EXPECT_EQ(document.error().text, c.error);
        EXPECT_EQ(document.error().code, c.code);
        EXPECT_EQ(at.first, c.first) << c.text.substr(0, 100);
        EXPECT_EQ(at.last, c.last) << c.text.substr(0, 100);
    }
    std::string many;
    for (std::size_t i = 0; i <= kMaxInstructions; ++i) many += "RUN a\n";
    Lines at;
    EXPECT_EQ(read_document(many, &at).error().text, "there are more than 10000 instructions");
    EXPECT_EQ(at.first, 10001);
}

TEST(DockerfileReader, knows_text) {
    for (const char* good : {"", "a", "ä", "€", "\xf0\x9f\x90\xb3"}) EXPECT_TRUE(is_text(good)) << good;
    for (const char* bad :
         {"\x80", "\xc3", "\xe2\x82", "\xf5\x80\x80\x80", "\xf0\x8f\x80\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80"})
        EXPECT_FALSE(is_text(bad)) << bad;
    EXPECT_FALSE(is_text(std::string_view("a\0b", 3)));
}

}  // namespace gantry::build::dockerfile
