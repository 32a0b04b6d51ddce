// What etcd answers, read: as it writes, and as it must not.
#include "plugins/network/overlay/etcd.hpp"

#include <gtest/gtest.h>

#include "plugins/network/common/netlink.hpp"
#include "plugins/network/overlay/base64.hpp"

namespace gantry::overlay {
namespace {

TEST(OverlayBase64, gives_back_what_it_was_given) {
    for (const std::string& text :
         {std::string(), std::string("f"), std::string("fo"), std::string("foo"), std::string("\0\xff x", 4)})
        EXPECT_EQ(from_base64(to_base64(text)), text);
    EXPECT_EQ(to_base64("/gantry/"), "L2dhbnRyeS8=");
    EXPECT_FALSE(from_base64("abc"));
    EXPECT_FALSE(from_base64("ab*d"));
}

TEST(OverlayEtcd, finds_the_first_key_behind_a_prefix) {
    EXPECT_EQ(end_of_prefix("/gantry/"), "/gantry0");
    EXPECT_EQ(end_of_prefix("a\xff\xff"), "b");
    EXPECT_EQ(end_of_prefix("\xff"), std::string(1, '\0'));
}

TEST(OverlayEtcd, reads_a_watch) {
    auto message = read_watch_message(
        R"({"result":{"header":{"revision":"7"},"events":[{"kv":{"key":"YQ==","value":"Yg==","create_revision":"5","mod_revision":"7"}},)"
        R"({"type":"DELETE","kv":{"key":"Yw==","mod_revision":"7"}}]}})");
    ASSERT_TRUE(message) << message.error().text;
    EXPECT_EQ(message->revision, 7);
    ASSERT_EQ(message->events.size(), 2u);
    EXPECT_EQ(message->events[0].entry.key, "a");
    EXPECT_EQ(message->events[0].entry.value, "b");
    EXPECT_EQ(message->events[0].entry.create_revision, 5);
    EXPECT_FALSE(message->events[0].gone);
    EXPECT_TRUE(message->events[1].gone);
    auto compacted = read_watch_message(R"({"result":{"canceled":true,"compact_revision":"12"}})");
    ASSERT_TRUE(compacted);
    EXPECT_TRUE(compacted->cancelled);
    EXPECT_EQ(compacted->compact_revision, 12);
}

TEST(OverlayEtcd, refuses_what_is_no_watch) {
    for (const char* bad :
         {"", "[]", "{}", R"({"error":"x"})", R"({"result":{"events":7}})", R"({"result":{"events":[1]}})",
          R"({"result":{"events":[{"kv":{"key":"*"}}]}})", R"({"result":{"events":[{"kv":7}]}})"})
        EXPECT_FALSE(read_watch_message(bad)) << bad;
    for (const char* bad : {"", "[]", R"({"kvs":{}})", R"({"kvs":[{"key":7}]})"})
        EXPECT_FALSE(read_listing(bad)) << bad;
    auto empty = read_listing(R"({"header":{"cluster_id":"14841639068965178418","revision":"1"}})");
    ASSERT_TRUE(empty);
    EXPECT_EQ(empty->cluster, 14841639068965178418u);
    EXPECT_TRUE(empty->entries.empty());
}

TEST(OverlayNetlink, passes_over_an_answer_that_is_cut_short) {
    std::vector<netlink::Neighbour> found;
    const unsigned char bytes[20] = {20, 0, 0, 0, 28, 0, 0, 0, 1, 0, 0, 0};  // RTM_NEWNEIGH without its body
    for (std::size_t length = 0; length <= sizeof bytes; ++length)
        EXPECT_TRUE(netlink::read_neighbours(bytes, length, 1, 3, netlink::Table::forwarding, found));
    EXPECT_TRUE(found.empty());
}

}  // namespace
}  // namespace gantry::overlay
