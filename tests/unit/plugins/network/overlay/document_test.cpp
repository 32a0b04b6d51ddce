#include "plugins/network/overlay/document.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace gantry::overlay {
namespace {

Json good() {
    return {{"network", "my-net"},
            {"subnet", "10.99.0.0/16"},
            {"vni", 4100},
            {"hosts",
             {{{"host", "a"},
               {"vtep", "10.0.0.1"},
               {"range", "10.99.1.0/30"},
               {"endpoints",
                {{{"address", "10.99.1.2"}, {"names", {"web"}}},
                 {{"address", "10.99.7.7"}, {"mac", "02:42:AA:00:00:01"}}}}},
              {{"host", "b"}, {"vtep", "10.0.0.2"}}}}};
}

std::string refusal(const Json& json) {
    auto document = parse_document(json.dump());
    return document ? "it was taken" : document.error().text;
}

TEST(OverlayDocument, gives_listed_endpoints_and_every_address_of_a_range) {
    auto document = parse_document(good().dump());
    ASSERT_TRUE(document) << document.error().text;
    EXPECT_EQ(document->gateway, parse_address("10.99.0.1"));
    EXPECT_EQ(document->vni, 4100u);
    ASSERT_EQ(document->hosts.size(), 2u);
    const auto& members = document->hosts[0].peer.members;
    ASSERT_EQ(members.size(), 5u);  // two that are listed, and what is left of four
    EXPECT_EQ(members[0].mac, "02:42:0a:63:01:02");
    EXPECT_EQ(members[0].names, std::vector<std::string>{"web"});
    EXPECT_EQ(members[1].mac, "02:42:aa:00:00:01");
    EXPECT_TRUE(document->hosts[1].peer.members.empty());
}

TEST(OverlayDocument, says_where_it_is_wrong_what_it_has_and_what_it_may_have) {
    Json json = good();
    json["hosts"][1]["vtep"] = "10.0.0.256";
    EXPECT_EQ(refusal(json), "document.hosts[1].vtep: \"10.0.0.256\" is not an IPv4 address");
    json = good();
    json["hosts"][0]["endpoints"][1]["address"] = "10.98.0.1";
    EXPECT_EQ(refusal(json), "document.hosts[0].endpoints[1].address: 10.98.0.1 is outside 10.99.0.0/16");
    json = good();
    json["vni"] = 16777216;
    EXPECT_EQ(refusal(json), "document.vni must be 1 to 16777215, found 16777216");
    json = good();
    json["hosts"][1]["ip"] = "10.0.0.3";
    EXPECT_EQ(refusal(json), "document.hosts[1] has the member \"ip\", known are host, vtep, range, endpoints");
    json = good();
    json["hosts"][1]["vtep"] = "10.0.0.1";
    EXPECT_EQ(refusal(json), "document.hosts[1]: host \"b\" or its vtep 10.0.0.1 is there twice");
    json = good();
    json["hosts"][0]["range"] = "10.99.0.0/17";
    EXPECT_EQ(refusal(json), "document.hosts[0].range: 10.99.0.0/17 has more than 1024 addresses");
    json = good();
    json["subnet"] = "10.99.0.1/16";
    EXPECT_EQ(refusal(json), "document.subnet: \"10.99.0.1/16\" is not a subnet such as 10.99.0.0/16");
    json = good();
    json.erase("network");
    EXPECT_EQ(refusal(json), "document lacks \"network\"");
    json = good();
    json["hosts"][1]["host"] = "b/c";
    EXPECT_EQ(
        refusal(json),
        "document.hosts[1].host: \"b/c\" cannot name a host; 1 to 255 printable characters of ASCII without \"/\" "
        "can");
    EXPECT_EQ(refusal(Json::array()), "document must be an object, found []");
    EXPECT_EQ(parse_document("{").error().text, "it is not JSON");
}

// What another host has written is quoted, and stays on the line.
TEST(OverlayDocument, is_wrong_in_one_line_whatever_is_in_it) {
    Json json = good();
    json["su\net"] = 1;
    EXPECT_EQ(refusal(json), R"(document has the member "su\net", known are network, subnet, gateway, vni, hosts)");
    json = good();
    json["subnet"] = "10.99.0.0\n/16";
    EXPECT_EQ(refusal(json), R"(document.subnet: "10.99.0.0\n/16" is not a subnet such as 10.99.0.0/16)");
    json = good();
    json["hosts"][1]["vtep"] = std::string("10.0.0.2\0x", 10);
    EXPECT_EQ(refusal(json), R"(document.hosts[1].vtep: "10.0.0.2\u0000x" is not an IPv4 address)");
    json = good();
    json["hosts"][0]["endpoints"][0]["mac"] = "\n2:42:0a:63:00:02";
    EXPECT_EQ(refusal(json), R"(document.hosts[0].endpoints[0].mac: "\n2:42:0a:63:00:02" is not a MAC address)");
    json = good();
    json["hosts"][1]["host"] = "b\033[2J";
    EXPECT_TRUE(refusal(json).starts_with(R"(document.hosts[1].host: "b\u001b[2J" cannot name a host)"));
}

class OverlayDocuments : public ::testing::Test {
protected:
    std::string path_;
    void SetUp() override {
        char name[] = "/tmp/overlay-documents-XXXXXX";
        path_ = ::mkdtemp(name);
    }
    void TearDown() override { std::filesystem::remove_all(path_); }
    void write(const std::string& file, const Json& json) { std::ofstream(path_ + "/" + file) << json.dump(); }
};

TEST_F(OverlayDocuments, of_several_files_are_one_network) {
    Json a = good(), b = good();
    a["hosts"].erase(1);
    b["hosts"].erase(0);
    write("a.json", a);
    write("b.json", b);
    auto document = read_documents(path_, "my-net");
    ASSERT_TRUE(document) << document.error().text;
    EXPECT_EQ(document->hosts.size(), 2u);
    b["vni"] = 4101;
    write("b.json", b);
    EXPECT_FALSE(read_documents(path_, "my-net"));
    b["vni"] = 4100;
    b["hosts"][0]["host"] = "a";
    write("b.json", b);
    EXPECT_FALSE(read_documents(path_, "my-net"));
}

TEST_F(OverlayDocuments, of_another_network_that_are_bad_are_in_nobodys_way) {
    write("good.json", good());
    std::ofstream(path_ + "/bad.json") << "{";
    EXPECT_TRUE(read_documents(path_, "my-net"));
    auto none = read_documents(path_, "other");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, Code::not_found);
    EXPECT_EQ(none.error().text,
              "no document in \"" + path_ + "\" names network \"other\"; \"" + path_ + "/bad.json\": it is not JSON");
}

}  // namespace
}  // namespace gantry::overlay
