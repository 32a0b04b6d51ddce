#include "core/resolver/zones.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/resolver/upstream.hpp"
#include "messages.hpp"

namespace gantry::resolver::test {
namespace {

class ZonesTest : public ::testing::Test {
protected:
    void SetUp() override {
        directory = std::filesystem::temp_directory_path() / ("gantry-zones-" + new_id().substr(0, 8));
        std::filesystem::create_directories(directory);
        write("one", R"({"network": "front", "internal": false, "listen": ["172.18.0.1"],
            "names": {"Web": ["172.18.0.2"], "db": ["172.18.0.3", "172.18.0.4"], "my.ctr": ["172.18.0.2"]},
            "addresses": {"172.18.0.2": "Web", "172.18.0.3": "db1", "172.18.0.4": "db2"}, "members": {"172.18.0.2": ["two"]}})");
        write("two", R"({"network": "back", "internal": true, "listen": ["172.18.16.1"],
            "names": {"cache": ["172.18.16.9"]}, "addresses": {"172.18.16.9": "cache", "172.18.16.2": "Web"}, "members": {}})");
        auto opened = Zones::open(directory);
        ASSERT_TRUE(opened) << opened.error().text;
        zones = std::move(opened).value();
    }
    void TearDown() override { std::filesystem::remove_all(directory); }
    void write(const std::string& id, const std::string& text) {
        ASSERT_TRUE(write_file_atomic(directory / (id + ".json"), text));
    }
    Decision ask(const std::string& name, Type type = Type::a, const std::string& asker = "172.18.0.2",
                 const std::string& network = "one") {
        Query q;
        EXPECT_EQ(parse_query(query(name, type), q), Verdict::query);
        return zones->decide(network, asker, network == "one" ? "172.18.0.1" : "172.18.16.1", q);
    }
    std::filesystem::path directory;
    std::unique_ptr<Zones> zones;
};

bool is_answer(const Decision& d, Rcode code, std::size_t records) {
    return d.what == Decision::What::answer && d.code == code && d.records.size() == records;
}

TEST_F(ZonesTest, know_names_with_and_without_the_network) {
    for (const char* name : {"web", "WEB", "web.front", "my.ctr", "my.ctr.front"})
        EXPECT_TRUE(is_answer(ask(name), Rcode::ok, 1)) << name;
    EXPECT_TRUE(is_answer(ask("web", Type::aaaa), Rcode::ok, 0));
    EXPECT_TRUE(is_answer(ask("2.0.18.172.in-addr.arpa", Type::ptr), Rcode::ok, 1));
    EXPECT_EQ(ask("2.0.18.172.in-addr.arpa", Type::ptr).records[0].data, *name_data("web.front"));
}

TEST_F(ZonesTest, answer_for_the_family_that_is_asked_for) {
    write("one", R"({"network": "front", "internal": false, "listen": ["172.18.0.1"],
        "names": {"web": ["172.18.0.2", "fd00:1::2"], "six": ["fd00:1::3"]},
        "addresses": {"172.18.0.2": "web", "fd00:1::2": "web", "fd00:1::3": "six"}, "members": {}})");
    ASSERT_TRUE(zones->read_changes());
    ASSERT_TRUE(is_answer(ask("web"), Rcode::ok, 1));
    EXPECT_EQ(ask("web").records[0].data.size(), 4u);
    ASSERT_TRUE(is_answer(ask("web", Type::aaaa), Rcode::ok, 1));
    EXPECT_EQ(ask("web", Type::aaaa).records[0].data, address_record("fd00:1::2")->data);
    EXPECT_TRUE(is_answer(ask("web", Type::any), Rcode::ok, 2));
    EXPECT_TRUE(is_answer(ask("six"), Rcode::ok, 0)) << "a name without an IPv4 address is still one";
    const std::string reverse = "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa";
    ASSERT_TRUE(is_answer(ask(reverse, Type::ptr, "fd00:1::3"), Rcode::ok, 1));
    EXPECT_EQ(ask(reverse, Type::ptr).records[0].data, *name_data("web.front"));
    EXPECT_EQ(ask("web", Type::a, "fd00:1::9").code, Rcode::refused) << "of a container that is not of the network";
}

TEST_F(ZonesTest, know_what_one_container_alone_calls_others) {
    write("one", R"({"network": "front", "internal": false, "listen": ["172.18.0.1"],
        "names": {"web": ["172.18.0.2"], "db": ["172.18.0.3"]}, "addresses": {"172.18.0.2": "web", "172.18.0.3": "db"},
        "members": {}, "aliases": {"172.18.0.2": {"Database": ["one", "DB"], "far": ["two", "cache"], "web": ["one", "db"],
                                                  "db": ["one", "gone"], "none": ["three", "db"], "bent": ["one"]}}})");
    ASSERT_TRUE(zones->read_changes());
    for (const char* name : {"database", "far", "web", "db"}) EXPECT_TRUE(is_answer(ask(name), Rcode::ok, 1)) << name;
    EXPECT_EQ(ask("web").records[0].data, address_record("172.18.0.3")->data) << "before the names of the network";
    EXPECT_EQ(ask("db").records[0].data, address_record("172.18.0.3")->data)
        << "its target is gone: the network's name";
    EXPECT_EQ(ask("far").records[0].data, address_record("172.18.16.9")->data);
    for (const char* name : {"none", "bent"}) EXPECT_TRUE(is_answer(ask(name), Rcode::no_such_name, 0)) << name;
    EXPECT_TRUE(is_answer(ask("database", Type::a, "172.18.0.3"), Rcode::no_such_name, 0)) << "of another container";
}

TEST_F(ZonesTest, rotate_several_addresses) {
    const Decision first = ask("db"), second = ask("db");
    ASSERT_EQ(first.records.size(), 2u);
    EXPECT_NE(first.records[0].data, second.records[0].data);
}

TEST_F(ZonesTest, keep_container_names_at_home) {
    EXPECT_TRUE(is_answer(ask("gone"), Rcode::no_such_name, 0));
    EXPECT_TRUE(is_answer(ask("gone.front"), Rcode::no_such_name, 0));
    EXPECT_EQ(ask("deb.debian.org").what, Decision::What::forward);
    EXPECT_EQ(ask("9.9.9.9.in-addr.arpa", Type::ptr).what, Decision::What::forward);
}

TEST_F(ZonesTest, forward_nothing_for_an_internal_network) {
    EXPECT_TRUE(is_answer(ask("cache", Type::a, "172.18.16.9", "two"), Rcode::ok, 1));
    EXPECT_TRUE(is_answer(ask("deb.debian.org", Type::a, "172.18.16.9", "two"), Rcode::refused, 0));
    EXPECT_TRUE(is_answer(ask("xyz", Type::a, "172.18.16.9", "two"), Rcode::no_such_name, 0));
}

TEST_F(ZonesTest, answer_only_for_networks_the_asker_is_on) {
    EXPECT_TRUE(is_answer(ask("cache"), Rcode::ok, 1)) << "web is on both";
    EXPECT_TRUE(is_answer(ask("cache", Type::a, "172.18.0.3"), Rcode::no_such_name, 0));
    EXPECT_TRUE(is_answer(ask("cache.back", Type::a, "172.18.0.2"), Rcode::ok, 1));
    EXPECT_TRUE(is_answer(ask("web", Type::a, "172.18.16.9", "one"), Rcode::refused, 0))
        << "a container of another network";
    EXPECT_TRUE(is_answer(ask("web", Type::a, "192.0.2.9"), Rcode::refused, 0)) << "a neighbour of the host";
    EXPECT_TRUE(is_answer(ask("web", Type::a, "172.18.0.1"), Rcode::ok, 1)) << "the host itself";
}

TEST_F(ZonesTest, see_a_new_file_at_the_first_question) {
    write(
        "one",
        R"({"network": "front", "internal": false, "listen": ["172.18.0.1"], "names": {"new": ["172.18.0.8"]}, "addresses": {"172.18.0.8": "new"}})");
    EXPECT_TRUE(is_answer(ask("new", Type::a, "172.18.0.8"), Rcode::ok, 1));
    write("one", "rubbish");
    zones->read_changes();
    EXPECT_TRUE(is_answer(ask("new", Type::a, "172.18.0.8"), Rcode::ok, 1)) << "the names known before stay";
    std::filesystem::remove(directory / "one.json");
    zones->read_changes();
    EXPECT_TRUE(is_answer(ask("new", Type::a, "172.18.0.8"), Rcode::refused, 0));
    std::filesystem::remove_all(directory);
    zones->read_changes();
    EXPECT_TRUE(zones->directory_gone());
}

TEST(ResolvConf, gives_three_nameservers_at_most) {
    const auto servers = parse_resolv_conf(
        "# c\nsearch example.org\nnameserver 10.0.0.1\nnameserver\t::1 # x\n nameserver 127.0.0.53\nnameserver "
        "9.9.9.9\nnameserver bad\nnameservers 1.1.1.1\n",
        53);
    ASSERT_EQ(servers.size(), 3u);
    EXPECT_EQ(servers[0].text, "10.0.0.1");
    EXPECT_EQ(servers[1].address.ss_family, AF_INET6);
    EXPECT_EQ(servers[2].text, "127.0.0.53");
}

}  // namespace
}  // namespace gantry::resolver::test
