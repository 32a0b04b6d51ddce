#include <gtest/gtest.h>

#include "plugins/runtime/native/channel.hpp"

using namespace gantry::native;

TEST(Channel, last_words_are_heard_of_a_peer_that_left_its_mail_unread) {
    auto pair = Channel::make();
    ASSERT_TRUE(pair) << pair.error().text;
    ASSERT_TRUE(pair->monitor.send(Channel::Kind::cgroups));
    pair->child.send_error(gantry::fail(gantry::Code::denied, "no such luck"));
    pair->child.close();
    auto message = pair->monitor.receive(1000);
    ASSERT_TRUE(message) << message.error().text;
    EXPECT_EQ(message->kind, Channel::Kind::error);
    EXPECT_EQ(message->error.text, "no such luck");
    message = pair->monitor.receive(1000);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->kind, Channel::Kind::end);
}
