// Every driver in build/drivers, and the good fixtures, against the rules of their kind.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gantry/driver.hpp>

#include "core/base/text.hpp"
#include "core/driver/registry.hpp"
#include "sdk/testing/fake_host.hpp"
#include "sdk/testing/layer_suite.hpp"
#include "sdk/testing/network_suite.hpp"
#include "sdk/testing/volume_suite.hpp"

namespace gantry {
namespace {

using driver::Kind;
using gantry::testing::Findings;
using gantry::testing::Outcome;
using gantry::testing::Subject;

// A driver as the engine's services reach it.
class ThroughTheEngine final : public Subject {
public:
    explicit ThroughTheEngine(std::shared_ptr<driver::Driver> driver) : driver_(std::move(driver)) {}
    Outcome call(std::string_view table, std::string_view operation, Json request,
                 std::vector<std::pair<std::string, int>> fds) override {
        std::vector<driver::NamedFd> named;
        for (auto& [name, fd] : fds) named.push_back({name, fd});
        auto reply = driver_->call(table, operation, std::move(request), std::move(named));
        if (!reply) return {static_cast<gantry_status>(reply.error().code), reply.error().text, Json::object(), {}};
        return {GANTRY_OK, "", std::move(reply->result), std::move(reply->fds)};
    }

private:
    std::shared_ptr<driver::Driver> driver_;
};

struct Scratch {
    std::string path;
    Scratch() {
        // On the disk of the build, not /tmp: a layer driver may not take to every file system.
        std::string name = GANTRY_FIXTURES "/conformance-XXXXXX";
        path = ::mkdtemp(name.data());
    }
    ~Scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
};

bool has_ability(const driver::Driver& driver, std::string_view ability) {
    const auto abilities = member<std::vector<std::string>>(driver.description(), "abilities");
    return std::find(abilities.begin(), abilities.end(), ability) != abilities.end();
}

std::string object_name() { return "conf" + std::to_string(::getpid()); }

// What some drivers need besides what the suite gives each: the network of the suite, written down for this host.
Json options_for(const std::string& driver, const Scratch& scratch) {
    if (driver != "overlay") return Json::object();
    const Json document{
        {"network", object_name()},
        {"subnet", "10.231.77.0/24"},
        {"vni", 4000000 + ::getpid() % 1000000},
        {"hosts", {{{"host", "this"}, {"vtep", "127.0.0.1"}}, {{"host", "other"}, {"vtep", "127.1.1.1"}}}}};
    std::ofstream(scratch.path + "/network.json") << document.dump();
    return {{"documents", scratch.path}};
}

void run(Kind kind, Subject& subject, Findings& findings) {
    const std::string name = object_name();
    if (kind == Kind::network) gantry::testing::run_network_suite(subject, findings, name);
    if (kind == Kind::volume) gantry::testing::run_volume_suite(subject, findings, name);
    if (kind == Kind::layer) gantry::testing::run_layer_suite(subject, findings, name);
}

void report(const std::string& who, const Findings& findings) {
    for (const std::string& line : findings.broken()) ADD_FAILURE() << who << ": " << line;
}

driver::Settings settings_for(const std::string& directory, const Scratch& scratch) {
    driver::Settings settings;
    settings.engine = "conf" + std::to_string(::getpid() % 10000);
    settings.path = {directory};
    settings.root = scratch.path + "/root";
    settings.run = scratch.path + "/run";
    settings.host_program = GANTRY_DRIVER_HOST;
    return settings;
}

// These have tests of their own below.
bool needs_a_parent(std::string_view name) { return name == "macvlan" || name == "ipvlan"; }

// This process's own network, with a pair of interfaces "parent" and "other"; the host's again at the end.
class OwnNetwork {
public:
    OwnNetwork() : before_(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
        made_ = before_ && ::unshare(CLONE_NEWNET) == 0 &&
                std::system(
                    "ip link set lo up && ip link add parent type veth peer name other && "
                    "ip link set parent up && ip link set other up") == 0;
    }
    ~OwnNetwork() {
        if (::setns(before_.get(), CLONE_NEWNET) != 0) std::abort();
    }
    explicit operator bool() const { return made_; }

private:
    UniqueFd before_;
    bool made_ = false;
};

void conformance_on_a_parent(const std::string& name, Json options) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: drivers change the kernel";
    OwnNetwork own;
    ASSERT_TRUE(own) << "no network of the test's own with a pair of interfaces";
    Scratch scratch;
    for (const auto isolation : {driver::Isolation::automatic, driver::Isolation::process}) {
        driver::Settings settings = settings_for(GANTRY_DRIVERS, scratch);
        driver::Wanted wanted;
        wanted.name = name;
        wanted.isolation = isolation;
        settings.drivers = {wanted};
        driver::Registry registry(settings);
        auto opened = registry.get(Kind::network, name);
        ASSERT_TRUE(opened) << opened.error().text;
        ThroughTheEngine subject(*opened);
        Findings findings;
        options["parent"] = "parent";
        gantry::testing::run_network_suite(subject, findings, "conf" + std::to_string(::getpid()), "10.231.77",
                                           options);
        // A kernel without the driver's kind of link says so at once.
        if (findings.broken().size() == 1 &&
            findings.broken().front().find(name + " is not supported by this kernel") != std::string::npos)
            GTEST_SKIP() << findings.broken().front();
        report(name, findings);
    }
}

void conformance_of(Kind kind) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: drivers change the kernel";
    Scratch scratch;
    for (const auto& [directory, isolation] :
         {std::pair<std::string, driver::Isolation>{GANTRY_DRIVERS, driver::Isolation::automatic},
          {GANTRY_FIXTURES "/good", driver::Isolation::process}}) {
        driver::Settings settings = settings_for(directory, scratch);
        for (const driver::Found& found : driver::Registry(settings).list()) {
            if (found.kind != driver::name_of(kind) || found.name == "misbehaves") continue;
            if (needs_a_parent(found.name)) continue;
            driver::Wanted wanted;
            wanted.name = found.name;
            wanted.isolation = isolation;
            wanted.options = options_for(found.name, scratch);
            settings.drivers = {wanted};
            driver::Registry registry(settings);
            auto opened = registry.get(kind, found.name);
            if (!opened) {
                ADD_FAILURE() << found.file << ": " << opened.error().text;
                continue;
            }
            std::puts(
                ("  " + found.file + " (" + (isolation == driver::Isolation::process ? "hosted" : "in process") + ")")
                    .c_str());
            ThroughTheEngine subject(*opened);
            Findings findings;
            run(kind, subject, findings);
            if (kind == Kind::layer && has_ability(**opened, "rebase"))
                gantry::testing::run_layer_rebase_suite(subject, findings, "conf" + std::to_string(::getpid()));
            report(found.file, findings);
        }
    }
}

TEST(Conformance, of_network_drivers) { conformance_of(Kind::network); }
TEST(Conformance, of_macvlan_in_mode_bridge) { conformance_on_a_parent("macvlan", {{"macvlan_mode", "bridge"}}); }
TEST(Conformance, of_macvlan_in_mode_private) { conformance_on_a_parent("macvlan", {{"macvlan_mode", "private"}}); }
TEST(Conformance, of_macvlan_in_mode_vepa) { conformance_on_a_parent("macvlan", {{"macvlan_mode", "vepa"}}); }
TEST(Conformance, of_macvlan_in_mode_passthru) { conformance_on_a_parent("macvlan", {{"macvlan_mode", "passthru"}}); }
TEST(Conformance, of_ipvlan) { conformance_on_a_parent("ipvlan", {{"ipvlan_mode", "l2"}}); }
TEST(Conformance, of_volume_drivers) { conformance_of(Kind::volume); }
TEST(Conformance, of_layer_drivers) { conformance_of(Kind::layer); }

TEST(Conformance, of_the_good_drivers_through_the_fake_host) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: the network suite makes a namespace";
    Scratch scratch;
    for (Kind kind : {Kind::network, Kind::volume, Kind::layer}) {
        const std::string file = GANTRY_FIXTURES "/good/" + std::string(driver::name_of(kind)) + "-good.so";
        auto host = gantry::testing::FakeHost::open(file, scratch.path);
        ASSERT_TRUE(host) << host.error().text;
        Findings findings;
        run(kind, **host, findings);
        report(file, findings);
    }
}

// A suite that finds nothing wrong with anything is no test.
TEST(Conformance, finds_a_driver_that_answers_everything_with_nothing) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: the network suite makes a namespace";
    Scratch scratch;
    auto host = gantry::testing::FakeHost::open(GANTRY_FIXTURES "/bad/network-plain.so", scratch.path);
    ASSERT_TRUE(host) << host.error().text;
    Findings findings;
    run(Kind::network, **host, findings);
    EXPECT_FALSE(findings.broken().empty());
}

}  // namespace
}  // namespace gantry
