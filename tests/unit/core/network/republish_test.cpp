#include <gmock/gmock.h>
#include <sys/socket.h>

#include <algorithm>

#include "testbed.hpp"

namespace gantry::network::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Recorded = NetworkService::Recorded;

class Republish : public Bed {
protected:
    void SetUp() override {
        Bed::SetUp();
        if (!service) return;
        ASSERT_TRUE(service->create({{"Name", "one"}}));
        auto attached = service->attach("web", "web", "web", "one", {}, {tcp(4000, 80)});
        ASSERT_TRUE(attached) << attached.error().text;
        web = std::move(attached).value();
    }

    // The caller's side of the record: which steps there were.
    NetworkService::Record noting() {
        return [this](Recorded step, const std::function<Result<void>()>& ports) {
            steps.push_back(step);
            return store->transact(ports);
        };
    }
    Result<std::vector<Port>> change(const std::vector<Port>& removed, const std::vector<Port>& added) {
        steps.clear();
        return service->change_ports("web", removed, added, noting());
    }
    std::set<std::string> claimed() {
        std::set<std::string> keys;
        auto claims = store->claims("port");
        EXPECT_TRUE(claims);
        for (const auto& claim : *claims) keys.insert(claim.key);
        return keys;
    }

    Attached web;
    std::vector<Recorded> steps;
};

TEST_F(Republish, a_port_is_open_from_then_on_and_another_no_longer) {
    UniqueFd listener = listen_in(web.netns.get(), 80);
    ASSERT_TRUE(reach(-1, "127.0.0.1", 4000, listener.get()));
    auto changed = change({tcp(4000, 80)}, {tcp(4001, 80), tcp(4002, 81, "127.0.0.1")});
    ASSERT_TRUE(changed) << changed.error().text;
    EXPECT_EQ(*changed, (std::vector<Port>{tcp(4001, 80), tcp(4002, 81, "127.0.0.1")}));
    EXPECT_EQ(steps, std::vector<Recorded>{Recorded::change});
    EXPECT_TRUE(reach(-1, host_address, 4001, listener.get()));
    EXPECT_FALSE(reach(-1, host_address, 4000, listener.get(), 200));
    EXPECT_EQ(claimed(), (std::set<std::string>{"tcp/4001/0.0.0.0", "tcp/4002/127.0.0.1"}));
    // What was given up is anybody's.
    auto other = service->attach("other", "other", "other", "one", {}, {tcp(4000, 80)});
    EXPECT_TRUE(other) << other.error().text;
}

TEST_F(Republish, the_same_port_of_the_host_may_lead_elsewhere) {
    UniqueFd eighty_one = listen_in(web.netns.get(), 81);
    auto changed = change({tcp(4000, 80)}, {tcp(4000, 81, "127.0.0.1")});
    ASSERT_TRUE(changed) << changed.error().text;
    EXPECT_TRUE(reach(-1, "127.0.0.1", 4000, eighty_one.get()));
    changed = change({tcp(4000, 81, "127.0.0.1")}, {tcp(4000, 81)});
    ASSERT_TRUE(changed) << changed.error().text;
    EXPECT_TRUE(reach(-1, host_address, 4000, eighty_one.get()));
    EXPECT_EQ(claimed(), std::set<std::string>{"tcp/4000/0.0.0.0"});
}

TEST_F(Republish, a_taken_port_changes_nothing) {
    ASSERT_TRUE(service->attach("other", "other", "other", "one", {}, {tcp(4005, 80)}));
    UniqueFd program = listen_in(-1, 4010), listener = listen_in(web.netns.get(), 80);
    const std::string before = ruleset();
    const auto claims = claimed();
    for (const Port& taken : {tcp(4005, 81), tcp(4010, 81), tcp(4001, 81, "198.51.100.7")}) {
        auto refused = change({tcp(4000, 80)}, {tcp(4002, 80), taken});
        ASSERT_FALSE(refused) << taken.host_port;
        EXPECT_EQ(ruleset(), before) << taken.host_port;
        EXPECT_EQ(claimed(), claims) << taken.host_port;
        // Nobody had it meanwhile, and nothing of what was refused is held on to.
        EXPECT_EQ(service->settings_of("web").ports, std::vector<Port>{tcp(4000, 80)});
    }
    // The last one is not the host's: the kernel said so after it was recorded.
    EXPECT_EQ(steps, (std::vector<Recorded>{Recorded::change, Recorded::take_back}));
    EXPECT_TRUE(reach(-1, "127.0.0.1", 4000, listener.get()));
    program.reset();
    EXPECT_TRUE(change({}, {tcp(4010, 81)}));
    reopen();
    EXPECT_EQ(service->settings_of("web").ports, (std::vector<Port>{tcp(4000, 80), tcp(4010, 81)}));
}

TEST_F(Republish, own_ports_meet_as_others_do) {
    for (const Port& taken : {tcp(4000, 81), tcp(4000, 80), tcp(4000, 80, "127.0.0.1")}) {
        auto refused = change({}, {taken});
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().text, HasSubstr(":4000 failed: port is already allocated"));
        EXPECT_TRUE(steps.empty());
    }
    EXPECT_FALSE(service->attach("twice", "twice", "twice", "one", {}, {tcp(4007, 80), tcp(4007, 81)}));
    EXPECT_TRUE(service->attach("same", "same", "same", "one", {}, {tcp(4007, 80), tcp(4007, 80)}));
}

TEST_F(Republish, finds_a_number_that_no_program_has) {
    UniqueFd program = listen_in(-1, 32768);
    auto changed = change({}, {{"tcp", 81, "", 0}, {"udp", 53, "127.0.0.1", 0}});
    ASSERT_TRUE(changed) << changed.error().text;
    ASSERT_EQ(changed->size(), 3u);
    EXPECT_GT((*changed)[1].host_port, 32768);
    EXPECT_EQ((*changed)[2].host_address, "127.0.0.1");
    EXPECT_NE((*changed)[2].host_port, 0);
}

TEST_F(Republish, a_record_that_cannot_be_written_changes_nothing) {
    const std::string before = ruleset();
    auto refused = service->change_ports("web", {tcp(4000, 80)}, {tcp(4001, 80)},
                                         [](Recorded, const std::function<Result<void>()>&) -> Result<void> {
                                             return fail(Code::exhausted, "no space");
                                         });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().text, "no space");
    EXPECT_EQ(ruleset(), before);
    EXPECT_TRUE(service->attach("other", "other", "other", "one", {}, {tcp(4001, 80)}));
}

TEST_F(Republish, what_a_crash_cut_off_is_brought_to_its_end) {
    UniqueFd listener = listen_in(web.netns.get(), 80);
    // Recorded, and the engine is gone before the kernel hears of it.
    auto cut = service->change_ports("web", {tcp(4000, 80)}, {tcp(4003, 80)},
                                     [this](Recorded step, const std::function<Result<void>()>& ports) -> Result<void> {
                                         if (step == Recorded::change) {
                                             EXPECT_TRUE(store->transact(ports));
                                         }
                                         return fail(Code::internal, "killed");
                                     });
    EXPECT_FALSE(cut);
    EXPECT_THAT(ruleset(), HasSubstr("4000 :"));
    reopen();
    ASSERT_TRUE(service->reconcile({"web"}));
    EXPECT_EQ(service->settings_of("web").ports, std::vector<Port>{tcp(4003, 80)});
    EXPECT_THAT(ruleset(), Not(HasSubstr("4000 :")));
    EXPECT_TRUE(reach(-1, "127.0.0.1", 4003, listener.get()));
    EXPECT_TRUE(service->attach("other", "other", "other", "one", {}, {tcp(4000, 80)}));
}

TEST_F(Republish, a_flow_that_was_there_before_goes_where_the_port_leads_now) {
    UniqueFd receiver = receive_udp_in(web.netns.get(), 53);
    // One socket, which never falls silent: its packets are one flow to the kernel.
    UniqueFd sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto sent = [&](int timeout_ms) {
        return send_udp(sender.get(), host_address, 5353, receiver.get(), timeout_ms);
    };
    EXPECT_FALSE(sent(100));
    ASSERT_TRUE(change({}, {{"udp", 53, "", 5353}}));
    EXPECT_TRUE(sent(600));
    ASSERT_TRUE(change({{"udp", 53, "0.0.0.0", 5353}}, {}));
    EXPECT_FALSE(sent(200));
}

TEST_F(Republish, a_container_that_leads_nowhere_publishes_nothing) {
    ASSERT_TRUE(service->create({{"Name", "inner"}, {"Internal", true}}));
    ASSERT_TRUE(service->attach("in", "in", "in", "inner", {}, {tcp(4009, 80)}));
    auto refused = service->change_ports("in", {}, {tcp(4008, 80)}, noting());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().text, "a port cannot be published: none of the container's networks leads outside");
    EXPECT_TRUE(steps.empty());
    // What is recorded of it alone may go.
    EXPECT_TRUE(service->change_ports("in", {}, {}, noting()));
    EXPECT_EQ(steps, std::vector<Recorded>{Recorded::change});
}

}  // namespace
}  // namespace gantry::network::test
