#include "core/build/frames.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gantry::build {
namespace {

struct Frames : ::testing::Test {
    UniqueFd other;
    std::unique_ptr<FrameSocket> frames;
    void begin(const std::string& early = "") {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        other.reset(ends[1]);
        frames = std::make_unique<FrameSocket>(UniqueFd(ends[0]), early);
    }
    void put(const std::string& bytes) {
        ASSERT_EQ(::write(other.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    }
    static std::string lengths(std::uint32_t header, std::uint32_t body) {
        std::string text;
        for (std::uint32_t value : {header, body})
            for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>((value >> shift) & 0xff);
        return text;
    }
};

TEST_F(Frames, go_and_come) {
    const std::string header = R"({"type":"log","step":1})";
    begin(lengths(static_cast<std::uint32_t>(header.size()), 3) + header.substr(0, 5));
    put(header.substr(5) + "abc");
    auto frame = frames->receive();
    ASSERT_TRUE(frame) << frame.error().text;
    EXPECT_EQ(frame->type(), "log");
    EXPECT_EQ(frame->body, "abc");
    ASSERT_TRUE(frames->send({{"type", "x"}}, "yz"));
    char bytes[64] = {};
    EXPECT_EQ(::read(other.get(), bytes, sizeof bytes), 8 + 12 + 2);
    EXPECT_EQ(std::string(bytes, 8), lengths(12, 2));
}

TEST_F(Frames, what_is_no_frame_is_refused) {
    for (const std::string& bad :
         {lengths((1u << 20) + 1, 0), lengths(0, (1u << 20) + 1), lengths(~0u, ~0u), lengths(2, 0) + "[]",
          lengths(2, 0) + "{}", lengths(3, 0) + "{{{", lengths(10, 0) + R"({"type":1})"}) {
        begin();
        put(bad);
        auto frame = frames->receive();
        ASSERT_FALSE(frame);
        EXPECT_EQ(frame.error().code, Code::invalid);
    }
    begin();
    put(lengths(10, 0) + "{");
    other.reset();
    auto cut = frames->receive();
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, Code::cancelled);
}

}  // namespace
}  // namespace gantry::build
