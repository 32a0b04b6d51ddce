// What may happen to an etcd and to what hosts have in it.
#include <ctime>

#include "tests/unit/plugins/network/overlay/with_etcd.hpp"

namespace gantry::overlay {
namespace {

class OverlayStoreFaults : public OverlayStore {
protected:
    // Every lease there is ends now, as if its host had not been heard of.
    void end_leases() {
        const bool ended = inside(a_.netns.get(), [] {
            std::string answer;
            std::unique_ptr<FILE, int (*)(FILE*)> curl(
                ::popen(("curl -sf -d '{}' " + std::string(url) + "/v3/lease/leases").c_str(), "r"), ::pclose);
            char buffer[4096];
            while (std::size_t length = curl ? std::fread(buffer, 1, sizeof buffer, curl.get()) : 0)
                answer.append(buffer, length);
            const Json leases = Json::parse(answer, nullptr, false);
            if (!leases.is_object() || !leases.contains("leases")) return false;
            Etcd etcd({{url}, "", "", ""});
            for (const Json& lease : leases["leases"])
                if (!etcd.revoke(std::stoll(lease["ID"].get<std::string>()))) return false;
            return true;
        });
        ASSERT_TRUE(ended);
    }
    void change(const std::function<void(Transaction&)>& what) {
        ASSERT_TRUE(inside(b_.netns.get(), [&] {
            Etcd etcd({{url}, "", "", ""});
            Transaction transaction;
            what(transaction);
            auto done = etcd.commit(transaction);
            return done && *done;
        }));
    }
    std::string state_of_peer(HostUnderTest& host, const Json& network) {
        const Outcome told = host.call(GANTRY_NETWORK_PEERS, "peers", {{"network", network}});
        const Json& peers = told.result["peers"];
        return peers.size() == 1 ? peers[0]["state"].get<std::string>() : std::to_string(peers.size()) + " peers";
    }
    // What the host whose directory is `directory` calls itself.
    std::string host_name(const std::string& directory) {
        std::ifstream file(path_ + "/" + directory + "/host");
        std::string text;
        std::getline(file, text);
        return text;
    }
    // The name of the only host that has the key "mem/HOST" and is not `other`.
    std::string member_besides(const std::string& other) {
        std::string found;
        for (const std::string& key : keys().value_or(std::vector<std::string>())) {
            const std::size_t at = key.find("/mem/");
            if (at != std::string::npos && key.substr(at + 5) != other) found = key.substr(at + 5);
        }
        return found;
    }
    std::size_t count(const std::string& part) {
        std::size_t found = 0;
        for (const std::string& key : keys().value_or(std::vector<std::string>()))
            found += key.find(part) != std::string::npos;
        return found;
    }
};

TEST_F(OverlayStoreFaults, who_is_not_heard_of_is_suspect_and_stays_reachable) {
    ensure_both();
    const std::string on_a = first_address(a_, network_a_), on_b = first_address(b_, network_b_);
    Container one = attach_container(a_, network_a_, on_a), two = attach_container(b_, network_b_, on_b);
    // Told, not only reached: the block of an address leads there before it is listed.
    ASSERT_TRUE(soon([&] { return names_on(a_, network_a_) == "c" + on_b + " "; })) << names_on(a_, network_a_);
    ASSERT_TRUE(soon([&] { return datagram(one, two, on_b, 100) == 0; }));
    // A host that lives takes a new lease within seconds; one whose driver is gone does not.
    b_.driver.reset();
    end_leases();
    EXPECT_TRUE(soon([&] { return state_of_peer(a_, network_a_) == "suspect"; })) << state_of_peer(a_, network_a_);
    EXPECT_EQ(datagram(one, two, on_b, 100), 0);
    EXPECT_EQ(names_on(a_, network_a_), "c" + on_b + " ");
    EXPECT_TRUE(soon([&] { return count("/up/") == 1; })) << "the living host has no new lease";
    open(b_);
    ASSERT_EQ(restart(b_, network_b_, {&two}).status, GANTRY_OK);
    EXPECT_TRUE(soon([&] { return state_of_peer(a_, network_a_) == "ready"; })) << state_of_peer(a_, network_a_);
    detach_container(a_, one);
    detach_container(b_, two);
    remove_both();
}

TEST_F(OverlayStoreFaults, a_claim_that_its_host_does_not_know_of_is_taken_back) {
    ensure_both();
    ASSERT_TRUE(soon([&] { return count("/up/") == 2; }));
    // As if the answer to a claim had been lost on its way.
    const std::string name = "/gantry/1/net/my-net/ip/10.99.200.7";
    change([&](Transaction& t) { t.put(name, Json{{"owner", host_name("a")}}.dump()); });
    EXPECT_TRUE(soon([&] { return count("/ip/") == 0; }));
    // Another host's is not this one's to take back.
    change([&](Transaction& t) { t.put(name, Json{{"owner", "another"}}.dump()); });
    ASSERT_EQ(a_.call(GANTRY_NETWORK_IPAM, "claim", {{"network", network_a_}, {"address", "10.99.200.8"}}).status,
              GANTRY_OK);
    ASSERT_EQ(a_.call(GANTRY_NETWORK_IPAM, "release", {{"network", network_a_}, {"address", "10.99.200.8"}}).status,
              GANTRY_OK);
    EXPECT_TRUE(soon([&] { return count("/ip/10.99.200.8") == 0; }));
    EXPECT_EQ(count("/ip/10.99.200.7"), 1u);
    remove_both();
}

TEST_F(OverlayStoreFaults, an_etcd_that_has_lost_everything_is_told_everything) {
    ensure_both();
    const std::string on_a = first_address(a_, network_a_), on_b = first_address(b_, network_b_);
    Container one = attach_container(a_, network_a_, on_a), two = attach_container(b_, network_b_, on_b);
    ASSERT_TRUE(soon([&] { return names_on(a_, network_a_) == "c" + on_b + " " && count("/sl/") == 2; }));
    const auto before = keys();
    stop_etcd();
    std::filesystem::remove_all(path_ + "/etcd");
    start_etcd();
    EXPECT_TRUE(soon([&] { return keys() == before; })) << "not all is back";
    EXPECT_EQ(datagram(one, two, on_b, 100), 0);
    EXPECT_EQ(datagram(two, one, on_a, 100), 0);
    EXPECT_EQ(names_on(a_, network_a_), "c" + on_b + " ");
    EXPECT_EQ(names_on(b_, network_b_), "c" + on_a + " ");
    detach_container(b_, two);
    EXPECT_TRUE(soon([&] { return names_on(a_, network_a_).empty(); })) << names_on(a_, network_a_);
    detach_container(a_, one);
    remove_both();
}

TEST_F(OverlayStoreFaults, the_blocks_of_a_host_that_was_given_up_are_anothers) {
    for (Json* network : {&network_a_, &network_b_})
        (*network)["subnets"][0] = {{"subnet", "10.99.0.0/28"}, {"gateway", "10.99.0.1"}};
    ensure_both();
    // Blocks of four addresses: b takes one, a the other three.
    const Json ask_a{{"network", network_a_}, {"more", true}}, ask_b{{"network", network_b_}, {"more", true}};
    for (int i = 0; i < 2; ++i) ASSERT_EQ(a_.call(GANTRY_NETWORK_IPAM, "ranges", ask_a).status, GANTRY_OK);
    Outcome refused = a_.call(GANTRY_NETWORK_IPAM, "ranges", ask_a);
    ASSERT_EQ(refused.status, GANTRY_EXHAUSTED) << refused.message;
    const std::string a = host_name("a");
    a_.driver.reset();
    end_leases();
    // Heard of lately: its blocks stay its own.
    EXPECT_EQ(b_.call(GANTRY_NETWORK_IPAM, "ranges", ask_b).status, GANTRY_EXHAUSTED);
    const std::string b = member_besides(a);
    ASSERT_TRUE(!a.empty() && !b.empty() && count("/mem/" + a) == 1) << a << " and " << b;
    change([&](Transaction& t) {
        t.put("/gantry/1/net/my-net/mem/" + a,
              Json{{"vtep", "10.77.0.1"}, {"seen", static_cast<std::int64_t>(std::time(nullptr)) - 25 * 3600}}.dump());
    });
    Outcome taken = b_.call(GANTRY_NETWORK_IPAM, "ranges", ask_b);
    ASSERT_EQ(taken.status, GANTRY_OK) << taken.message;
    EXPECT_EQ(taken.result["ranges"].size(), 2u);
    EXPECT_EQ(count("/mem/" + a), 0u);
    EXPECT_TRUE(soon([&] { return state_of_peer(b_, network_b_) == "0 peers"; })) << state_of_peer(b_, network_b_);
    // It comes back, and has what nobody took.
    open(a_);
    ASSERT_EQ(restart(a_, network_a_, {}).status, GANTRY_OK);
    EXPECT_TRUE(soon([&] {
        Outcome left = a_.call(GANTRY_NETWORK_IPAM, "ranges", {{"network", network_a_}, {"more", false}});
        return left.status == GANTRY_OK && left.result["ranges"].size() == 2u;
    }));
    remove_both();
}

}  // namespace
}  // namespace gantry::overlay
