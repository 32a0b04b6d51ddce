// A network stays with the source it was made with.
#include <sys/mount.h>
#include <sys/stat.h>

#include "plugins/network/overlay/options.hpp"
#include "tests/unit/plugins/network/overlay/two_hosts.hpp"

namespace gantry::overlay {
namespace {

class OverlayOrigin : public ::testing::Test {
protected:
    std::string path_;
    HostUnderTest host_;
    const Json network_ = network_named("0123456789abcdef", Json::object());

    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root: it makes namespaces";
        ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
        ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        char name[] = "/tmp/overlay-origin-XXXXXX";
        path_ = ::mkdtemp(name);
        // Documents are in a fixed place: what is written to /etc is of this test alone.
        ASSERT_EQ(::mount("origin", path_.c_str(), "tmpfs", 0, nullptr), 0);
        std::filesystem::create_directory(path_ + "/upper");
        std::filesystem::create_directory(path_ + "/work");
        const std::string options = "lowerdir=/etc,upperdir=" + path_ + "/upper,workdir=" + path_ + "/work";
        ASSERT_EQ(::mount("etc", "/etc", "overlay", 0, options.c_str()), 0);
        std::filesystem::remove_all("/etc/gantry");
        host_.netns = make_host_netns();
        ASSERT_EQ(shell(host_.netns.get(), "ip link set lo up && ip address add 10.77.0.1/24 dev lo"), 0);
        open(Json::object());
    }
    void TearDown() override {
        host_.driver.reset();
        if (path_.empty()) return;
        ::umount2("/etc", MNT_DETACH);
        ::umount2(path_.c_str(), MNT_DETACH);
        ::rmdir(path_.c_str());
    }
    void open(const Json& options) {
        host_.driver.reset();
        host_.driver = inside(host_.netns.get(), [&] {
            auto opened = FakeHost::open(GANTRY_OVERLAY_DRIVER, path_, options);
            if (!opened) ADD_FAILURE() << opened.error().text;
            return opened ? std::move(opened).value() : nullptr;
        });
    }
    static void write_document(const std::string& network) {
        std::filesystem::create_directories(usual_documents);
        std::ofstream(std::string(usual_documents) + "/" + network + ".json")
            << Json{{"network", network},
                    {"subnet", "10.99.0.0/16"},
                    {"vni", 4100},
                    {"hosts", {{{"host", "a"}, {"vtep", "10.77.0.1"}}}}};
    }
    std::string source() {
        return host_.call(GANTRY_NETWORK_PEERS, "peers", {{"network", network_}}).result["source"]["source"];
    }
    Outcome ensure() { return host_.call(GANTRY_NETWORK, "ensure", {{"network", network_}}); }
    void remove() { EXPECT_EQ(host_.call(GANTRY_NETWORK, "remove", {{"network", network_}}).status, GANTRY_OK); }
};

TEST_F(OverlayOrigin, alone_it_stays_when_documents_of_others_come) {
    const Outcome made = ensure();
    ASSERT_EQ(made.status, GANTRY_OK) << made.message;
    EXPECT_EQ(source(), "none");
    write_document("others");
    open(Json::object());
    Outcome done = restart(host_, network_, {});
    EXPECT_EQ(done.result["ready"], Json{network_["id"]}) << done.result;
    EXPECT_EQ(source(), "none");
    remove();
    // Made anew it has to be named.
    Outcome refused = ensure();
    EXPECT_EQ(refused.status, GANTRY_NOT_FOUND) << refused.message;
    remove();
}

TEST_F(OverlayOrigin, of_documents_it_is_not_alone_when_they_are_gone) {
    write_document("my-net");
    const Outcome made = ensure();
    ASSERT_EQ(made.status, GANTRY_OK) << made.message;
    EXPECT_EQ(source(), usual_documents);
    std::filesystem::remove_all("/etc/gantry");
    open(Json::object());
    Outcome done = restart(host_, network_, {});
    EXPECT_EQ(done.result["failed"].size(), 1u) << done.result;
    write_document("my-net");
    open(Json::object());
    done = restart(host_, network_, {});
    EXPECT_EQ(done.result["ready"], Json{network_["id"]}) << done.result;
    remove();
    EXPECT_FALSE(std::filesystem::exists(path_ + "/" + network_["id"].get<std::string>() + ".source"));
}

TEST_F(OverlayOrigin, made_with_etcd_it_wants_one) {
    std::ofstream(path_ + "/" + network_["id"].get<std::string>() + ".source") << "etcd";
    Outcome refused = ensure();
    EXPECT_EQ(refused.status, GANTRY_INVALID);
    EXPECT_EQ(refused.message,
              "network \"my-net\" was made with etcd, and neither the network nor the driver has option \"etcd\"");
}

}  // namespace
}  // namespace gantry::overlay
