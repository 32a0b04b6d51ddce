#include <gtest/gtest.h>
#include <signal.h>

#include "core/cli/progress.hpp"
#include "core/cli/stream.hpp"

namespace gantry::cli {
namespace {

TEST(Demultiplexer, frames_may_be_cut_anywhere) {
    std::string data;
    for (auto [stream, text] : {std::pair(1, "one"), std::pair(2, "two"), std::pair(1, ""), std::pair(1, "three")}) {
        std::string_view view = text;
        data += std::string({static_cast<char>(stream), 0, 0, 0, 0, 0, 0, static_cast<char>(view.size())}) +
                std::string(view);
    }
    for (std::size_t piece : {1u, 2u, 7u, 100u}) {
        std::string out, err;
        Demultiplexer demultiplexer([&](int fd, std::string_view part) -> Result<void> {
            (fd == 2 ? err : out) += part;
            return {};
        });
        for (std::size_t at = 0; at < data.size(); at += piece)
            ASSERT_TRUE(demultiplexer.push(std::string_view(data).substr(at, piece)));
        EXPECT_EQ(out, "onethree");
        EXPECT_EQ(err, "two");
    }
}

TEST(Demultiplexer, wrong_heads_and_the_daemons_errors_end_it) {
    auto nowhere = [](int, std::string_view) -> Result<void> { return {}; };
    Demultiplexer wrong(nowhere);
    EXPECT_FALSE(wrong.push("plain text"));
    Demultiplexer failed(nowhere);
    auto said = failed.push(std::string_view("\x03\0\0\0\0\0\0\x04oops", 12));
    ASSERT_FALSE(said);
    EXPECT_EQ(said.error().text, "error from daemon in stream: oops");
}

TEST(Signals, are_named_as_the_api_wants_them) {
    EXPECT_EQ(signal_name(SIGTERM), "TERM");
    EXPECT_EQ(signal_name(SIGINT), "INT");
    EXPECT_EQ(signal_name(SIGCHLD), "");
}

TEST(Progress, lines_leave_moving_bars_out_and_terminals_rewrite) {
    Json first = Json::parse(R"({"id":"a","status":"Pulling"})"),
         moving = Json::parse(R"({"id":"a","status":"Downloading","progressDetail":{"current":5,"total":10}})");
    std::string text;
    auto write = [&](std::string_view part) { text += part; };
    ProgressView lines(ProgressView::Target::lines, write);
    ASSERT_TRUE(lines.show(first));
    ASSERT_TRUE(lines.show(moving));
    ASSERT_TRUE(lines.show(Json::parse(R"({"stream":"Step 1\n"})")));
    EXPECT_EQ(text, "a: Pulling\nStep 1\n");
    text.clear();
    ProgressView terminal(ProgressView::Target::terminal, write);
    ASSERT_TRUE(terminal.show(first));
    ASSERT_TRUE(terminal.show(Json::parse(R"({"id":"b","status":"Waiting"})")));
    ASSERT_TRUE(terminal.show(moving));
    EXPECT_EQ(text.substr(0, text.find('\x1b')), "a: Pulling\nb: Waiting\n");
    EXPECT_NE(text.find("\x1b[2A\x1b[2K\ra: Downloading [=========================>"), std::string::npos) << text;
    EXPECT_EQ(terminal.show(Json::parse(R"({"error":"x","errorDetail":{"message":"why"}})")).error().text, "why");
}

}  // namespace
}  // namespace gantry::cli
