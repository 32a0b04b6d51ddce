// Networks and endpoints as they come back from the store, also from a damaged one.
#include <gmock/gmock.h>

#include "core/network/model.hpp"
#include "testbed.hpp"
#include "tests/unit/core/store/bent.hpp"

namespace gantry::network::test {
namespace {

using gantry::test::Bent;
using gantry::test::bent;
using gantry::test::without_each;
using StoredNetworks = Bed;

NetworkRecord network() {
    NetworkRecord r;
    r.id = "n1";
    r.name = "front";
    r.driver = "bridge";
    r.labels = {{"a", "b"}};
    r.subnet = parse_prefix("10.44.0.0/24");
    r.range = parse_prefix("10.44.0.0/25");
    r.gateway = *parse_ipv4("10.44.0.1");
    r.auxiliary = {{"router", "10.44.0.9"}};
    return r;
}

EndpointRecord endpoint() {
    EndpointRecord r;
    r.id = "e1";
    r.network = "n1";
    r.container = "c1";
    r.aliases = {"x"};
    r.address = *parse_ipv4("10.44.0.2");
    r.prefix_length = 24;
    r.driver_options = {{"a", "b"}};
    r.ports = {{"tcp", 80, "0.0.0.0", 8080}};
    return r;
}

template <typename Record>
void expect_refused_or_taken_as_it_is(const Json& good) {
    ASSERT_TRUE(Record::from_store(good));
    EXPECT_EQ(Record::from_store(good)->to_store(), good);
    for (const Bent& one : bent(good)) {
        auto read = Record::from_store(one.body);
        if (read)
            EXPECT_EQ(read->to_store(), one.body) << one.where;
        else
            EXPECT_EQ(read.error().code, Code::corrupt) << one.where;
    }
    for (const Bent& one : without_each(good)) EXPECT_FALSE(Record::from_store(one.body)) << one.where;
}

}  // namespace

TEST(NetworkRecords, of_a_wrong_shape_are_refused) {
    expect_refused_or_taken_as_it_is<NetworkRecord>(network().to_store());
    expect_refused_or_taken_as_it_is<EndpointRecord>(endpoint().to_store());
}

TEST(NetworkRecords, keep_what_is_of_ipv6) {
    NetworkRecord n = network();
    n.ipv4 = false;
    n.ipv6 = n.chosen_subnet6 = true;
    n.subnet6 = n.range6 = Prefix6::parse("fd00::/64");
    n.gateway6 = *parse_ipv6("fd00::1");
    const Json stored = n.to_store();
    ASSERT_TRUE(NetworkRecord::from_store(stored));
    EXPECT_EQ(NetworkRecord::from_store(stored)->to_store(), stored);
    for (const Bent& one : bent(stored)) {
        auto read = NetworkRecord::from_store(one.body);
        if (read && one.body["ipv6"] == true && one.body["ipv4"] == false) {
            EXPECT_EQ(read->to_store(), one.body) << one.where;
        }
    }
    Json outside = stored;
    outside["gateway6"] = "fd01::1";
    EXPECT_FALSE(NetworkRecord::from_store(outside));
    EndpointRecord e = endpoint();
    e.address6 = *parse_ipv6("fd00::2");
    e.prefix_length6 = 64;
    e.fixed_ipv6 = "fd00::2";
    EXPECT_EQ(EndpointRecord::from_store(e.to_store())->to_store(), e.to_store());
    EXPECT_EQ(e.addresses(), (std::vector<std::string>{"10.44.0.2", "fd00::2"}));
}

TEST(NetworkRecords, with_addresses_that_cannot_be_are_refused) {
    auto with = [](const char* key, const char* text) {
        Json body = network().to_store();
        body[key] = text;
        return NetworkRecord::from_store(body);
    };
    EXPECT_FALSE(with("subnet", "10.44.0.0"));
    EXPECT_FALSE(with("subnet", ""));
    EXPECT_FALSE(with("range", "10.45.0.0/25"));
    EXPECT_FALSE(with("gateway", "10.44.1.1"));
    EXPECT_FALSE(with("gateway", "here"));
    EXPECT_TRUE(with("range", ""));
    Json body = endpoint().to_store();
    body["address"] = "10.44.0";
    EXPECT_FALSE(EndpointRecord::from_store(body));
}

// The address and the port of an endpoint that was set aside belong to nobody.
TEST_F(StoredNetworks, a_damaged_endpoint_is_set_aside_with_all_that_it_had_claimed) {
    ASSERT_TRUE(service->create({{"Name", "n"}, {"IPAM", {{"Config", {{{"Subnet", "10.44.0.0/24"}}}}}}}));
    std::string address;
    {
        auto attached = service->attach("aaaa", "a", "a", "n", {}, {tcp(4000, 80)});
        ASSERT_TRUE(attached) << attached.error().text;
        address = attached->settings.at("n").at("IPAddress");
    }
    auto stored = store->list("endpoint");
    ASSERT_TRUE(stored);
    ASSERT_EQ(stored->size(), 1u);
    ASSERT_TRUE(store->put("endpoint", {stored->front().id, "", 1, Json{{"name", 5}}}));
    reopen();
    EXPECT_TRUE(store->list("endpoint")->empty());
    EXPECT_EQ(store->list("damaged.endpoint")->size(), 1u);
    EXPECT_TRUE(store->claims("port")->empty());
    ASSERT_TRUE(service->reconcile({}));
    EndpointWish wish;
    wish.network = "n";
    wish.ipv4 = address;
    auto again = service->attach("bbbb", "b", "b", "n", {wish}, {tcp(4000, 80)});
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_EQ(again->settings.at("n").at("IPAddress"), address);
    ASSERT_TRUE(service->detach("bbbb", true));
}

// As an engine leaves it that was killed between the driver's work and the record of it.
TEST_F(StoredNetworks, a_network_whose_making_was_cut_off_keeps_its_subnet) {
    ASSERT_TRUE(service->create({{"Name", "n"}}));
    ASSERT_TRUE(service->attach("aaaa", "a", "a", "n", {}, {}));
    ASSERT_TRUE(service->detach("aaaa", true));
    const Json before = inspect("n").at("IPAM").at("Config");
    auto stored = store->list("network");
    ASSERT_TRUE(stored);
    store::Object cut_off = stored->back();
    ASSERT_EQ(cut_off.name, "n");
    ASSERT_NE(cut_off.body["interface"], "");
    cut_off.body["interface"] = "";
    ASSERT_TRUE(store->put("network", cut_off));
    reopen();
    ASSERT_TRUE(service->reconcile({}));
    EXPECT_EQ(inspect("n").at("IPAM").at("Config"), before);
    EXPECT_NE(store->get("network", cut_off.id)->value().body["interface"], "");
}

TEST_F(StoredNetworks, names_that_a_killed_engine_had_begun_to_write_are_removed) {
    ASSERT_TRUE(service->attach("aaaa", "a", "a", "default", {}, {}));
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory / "run/names"))
        files.push_back(entry.path());
    ASSERT_EQ(files.size(), 1u);
    const std::string half = files.front().string() + ".tmp.1.2";
    std::filesystem::copy_file(files.front(), half);
    reopen();
    ASSERT_TRUE(service->reconcile({"aaaa"}));
    EXPECT_FALSE(std::filesystem::exists(half));
    EXPECT_TRUE(std::filesystem::exists(files.front()));
    ASSERT_TRUE(service->detach("aaaa", true));
}

TEST_F(StoredNetworks, a_record_that_is_of_another_network_is_set_aside) {
    ASSERT_TRUE(service->create({{"Name", "one"}}));
    auto stored = store->list("network");
    ASSERT_TRUE(stored);
    store::Object one = stored->back();
    ASSERT_EQ(one.name, "one");
    one.id = "another";
    one.name = "two";
    ASSERT_TRUE(store->put("network", one));
    reopen();
    EXPECT_TRUE(service->inspect("one"));
    EXPECT_FALSE(service->inspect("two"));
    EXPECT_EQ(store->list("damaged.network")->size(), 1u);
}

}  // namespace gantry::network::test
