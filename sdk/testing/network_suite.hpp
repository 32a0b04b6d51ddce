// The rules of abi/network.h that every network driver keeps, as a test. Needs root: it makes a network namespace.
#pragma once
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <string>
#include <thread>

#include <gantry/abi/network.h>

#include "subject.hpp"

namespace gantry::testing {

// A network namespace of its own; none where that is not permitted.
inline UniqueFd make_netns() {
    UniqueFd fd;
    std::thread([&] {
        if (::unshare(CLONE_NEWNET) == 0) fd.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    }).join();
    return fd;
}

// `subnet` ("10.231.77.0/24") must be free on this host; `name` makes the objects' names unique; `options`: those of the
// network, where the driver needs some.
inline void run_network_suite(Subject& driver, Findings& findings, const std::string& name,
                              const std::string& prefix = "10.231.77", const Json& options = Json::object()) {
    const Json network{{"id", "c0ffee00" + name},
                       {"generation", 1},
                       {"name", name},
                       {"labels", Json::object()},
                       {"options", options},
                       {"internal", false},
                       {"subnets", {{{"subnet", prefix + ".0/24"}, {"gateway", prefix + ".1"}}}}};
    const Json endpoint{{"id", "ef0000" + name},
                        {"generation", 1},
                        {"container", {{"id", "cd0000" + name}, {"name", name}}},
                        {"mac", "02:42:0a:e7:4d:02"},
                        {"addresses", {prefix + ".2/24"}},
                        {"options", Json::object()}};
    const Json whole{{"network", network}};
    const Json both{{"network", network}, {"endpoint", endpoint}};
    Json attach = both, detach = both;
    attach.update(
        {{"sandbox", {{"id", "sb" + name}, {"kind", "netns"}}}, {"interface", "eth0"}, {"default_gateway", true}});
    detach["sandbox"] = {{"id", "sb" + name}, {"gone", false}};
    auto on = [&](const char* operation, const Json& request, int netns = -1) {
        std::vector<std::pair<std::string, int>> fds;
        if (netns >= 0) fds.emplace_back("netns", netns);
        return driver.call(GANTRY_NETWORK, operation, request, fds);
    };

    findings.expect_ok(on("remove", whole), "remove of a network that is not there succeeds");
    Outcome first = on("ensure", whole);
    if (!findings.expect_ok(first, "ensure makes the network")) return;
    findings.expect_text(on("inspect", whole), "state", "ready", "inspect says ready after ensure");
    Outcome again = on("ensure", whole);
    findings.expect_ok(again, "ensure may be repeated");
    findings.expect(again.result == first.result, "a repeated ensure gives the same answer",
                    again.result.dump() + " after " + first.result.dump());

    findings.expect_ok(on("detach", detach), "detach of an endpoint that is not there succeeds");
    UniqueFd netns = make_netns();
    if (findings.expect(static_cast<bool>(netns), "a network namespace can be made")) {
        Outcome attached = on("attach", attach, netns.get());
        if (findings.expect_ok(attached, "attach gives the sandbox what it asks for")) {
            const std::string mode = attached.result.value("mode", "interface");
            findings.expect(mode == "interface" || mode == "host" || mode == "none", "attach answers with a known mode",
                            mode);
            Outcome repeated = on("attach", attach, netns.get());
            findings.expect_ok(repeated, "attach of the same sandbox may be repeated");
            findings.expect(repeated.result == attached.result, "a repeated attach gives the same answer",
                            repeated.result.dump());
            if (mode == "interface") {
                findings.expect_text(on("inspect_endpoint", both), "state", "ready",
                                     "inspect_endpoint says ready after attach");
                findings.expect_status(on("remove", whole), GANTRY_BUSY, "remove of a network with endpoints is busy");
            }
            findings.expect_ok(on("detach", detach, netns.get()), "detach takes it back");
            findings.expect_ok(on("detach", detach, netns.get()), "detach may be repeated");
            findings.expect_text(
                on("inspect_endpoint", both), "state",
                mode == "interface" ? "absent" : on("inspect_endpoint", both).result.value("state", ""),
                "inspect_endpoint says absent after detach");
            // A sandbox that ends with its container.
            findings.expect_ok(on("attach", attach, netns.get()), "attach after detach works");
            netns.reset();
            Json gone = detach;
            gone["sandbox"]["gone"] = true;
            findings.expect_ok(on("detach", gone), "detach works when the namespace is gone");
        }
    }
    findings.expect_ok(on("remove", whole), "remove takes the network away");
    findings.expect_ok(on("remove", whole), "remove may be repeated");
}

}  // namespace gantry::testing
