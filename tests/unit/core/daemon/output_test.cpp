#include "core/daemon/http/output.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/files.hpp"

namespace gantry::http {
namespace {

using State = Output::State;

class Outputs : public ::testing::Test {
protected:
    Outputs() {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        ours_.reset(ends[0]);
        clients_.reset(ends[1]);
    }
    // What the client can read now.
    void read() {
        char piece[65536];
        for (ssize_t n = 0; (n = ::read(clients_.get(), piece, sizeof piece)) > 0;)
            got_.append(piece, static_cast<std::size_t>(n));
    }
    void read_all_of(Output& output) {
        State state = State::waiting;
        while (state == State::waiting) {
            read();
            state = output.flush();
        }
        EXPECT_EQ(state, State::clear);
        read();
        EXPECT_EQ(output.pending(), 0u);
    }

    UniqueFd ours_, clients_;
    std::string got_;
};

std::shared_ptr<const std::string> large(char first) {
    std::string text;
    for (int i = 0; i < 200'000; ++i) text += first + std::to_string(i);
    return std::make_shared<const std::string>(std::move(text));
}

TEST_F(Outputs, hold_a_body_and_copy_none_of_it) {
    Output output(ours_.get());
    const auto body = large('a');
    EXPECT_EQ(output.send("head:", body), State::waiting);
    EXPECT_EQ(body.use_count(), 2);
    EXPECT_GT(output.pending(), 0u);
    EXPECT_LT(output.pending(), body->size()) << "the socket took some";
    read_all_of(output);
    EXPECT_EQ(got_, "head:" + *body);
    EXPECT_EQ(body.use_count(), 1);
}

TEST_F(Outputs, keep_the_order_of_what_comes_while_a_body_waits) {
    Output output(ours_.get());
    const auto first = large('a'), second = large('b');
    EXPECT_EQ(output.send("1:", first), State::waiting);
    read();
    EXPECT_EQ(output.flush(), State::waiting);
    EXPECT_EQ(output.send({"2:", "piece", ""}), State::waiting);
    EXPECT_EQ(output.send("3:", second), State::waiting);
    EXPECT_EQ(output.send({"4"}), State::waiting);
    read_all_of(output);
    EXPECT_EQ(got_, "1:" + *first + "2:piece3:" + *second + "4");
    EXPECT_EQ(output.send("5:", std::make_shared<const std::string>("small")), State::clear);
    EXPECT_EQ(output.send({"6", ""}), State::clear);
    read();
    EXPECT_TRUE(got_.ends_with("45:small6"));
}

TEST_F(Outputs, let_a_body_go_with_the_client) {
    const auto body = large('a');
    {
        Output output(ours_.get());
        EXPECT_EQ(output.send("head:", body), State::waiting);
        clients_.reset();
        EXPECT_EQ(output.flush(), State::gone);
        EXPECT_EQ(output.send("head:", body), State::gone);
        EXPECT_EQ(output.send({"more"}), State::gone);
        EXPECT_FALSE(output.wait_for_room(1));
    }
    EXPECT_EQ(body.use_count(), 1);
}

}  // namespace
}  // namespace gantry::http
