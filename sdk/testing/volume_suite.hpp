// The rules of abi/volume.h that every volume driver keeps, as a test.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include <gantry/abi/volume.h>

#include "subject.hpp"

namespace gantry::testing {

// `name` makes the volume's name unique; `options` are what the driver needs to make one.
inline void run_volume_suite(Subject& driver, Findings& findings, const std::string& name,
                             const Json& options = Json::object()) {
    const Json volume{
        {"id", "e0" + name}, {"generation", 1}, {"name", name}, {"labels", Json::object()}, {"options", options}};
    const Json whole{{"volume", volume}};
    auto on = [&](const char* operation, const Json& request) {
        return driver.call(GANTRY_VOLUME, operation, request);
    };
    auto consumer = [&](const char* who, bool read_only = false) {
        Json request = whole;
        request["consumer"] = who;
        request["read_only"] = read_only;
        return request;
    };

    findings.expect_ok(on("remove", whole), "remove of a volume that is not there succeeds");
    findings.expect_text(on("inspect", whole), "state", "absent", "inspect says absent before ensure");
    Outcome first = on("ensure", whole);
    if (!findings.expect_ok(first, "ensure makes the volume")) return;
    Outcome again = on("ensure", whole);
    findings.expect_ok(again, "ensure may be repeated");
    findings.expect(again.result == first.result, "a repeated ensure gives the same answer", again.result.dump());
    findings.expect_text(on("inspect", whole), "state", "ready", "inspect says ready after ensure");
    if (Outcome list = on("list", Json::object()); list.ok()) {
        bool there = false;
        for (const Json& one : list.result.value("volumes", Json::array())) there = there || one == name;
        findings.expect(there, "list holds the volume", list.result.dump());
    } else {
        findings.expect_status(list, GANTRY_UNSUPPORTED, "list answers or is unsupported");
    }

    Outcome mount = on("publish", consumer("one"));
    if (findings.expect_ok(mount, "publish gives the consumer the volume") &&
        findings.expect(mount.fds.size() == 1 && mount.result.value("fds", Json::array()) == Json{"mount"},
                        "publish gives one descriptor named \"mount\"")) {
        struct stat a {
        }, b{};
        findings.expect(::fstat(mount.fds[0].get(), &a) == 0 && S_ISDIR(a.st_mode), "the descriptor is of a directory");
        Outcome repeated = on("publish", consumer("one"));
        findings.expect(repeated.ok() && repeated.fds.size() == 1 && ::fstat(repeated.fds[0].get(), &b) == 0 &&
                            a.st_ino == b.st_ino && a.st_dev == b.st_dev,
                        "publish to the same consumer gives the same directory");
        Outcome other = on("publish", consumer("two"));
        findings.expect(
            other.ok() && other.fds.size() == 1 && ::fstat(other.fds[0].get(), &b) == 0 && a.st_ino == b.st_ino,
            "a second consumer gets the same directory");
        findings.expect_status(on("remove", whole), GANTRY_BUSY, "remove of a published volume is busy");
    }
    findings.expect_ok(on("unpublish", consumer("two")), "unpublish takes it back");
    findings.expect_ok(on("unpublish", consumer("one")), "unpublish takes it back from the other");
    findings.expect_ok(on("unpublish", consumer("one")), "unpublish may be repeated");
    findings.expect_ok(on("remove", whole), "remove takes the volume away");
    findings.expect_ok(on("remove", whole), "remove may be repeated");
    findings.expect_text(on("inspect", whole), "state", "absent", "inspect says absent after remove");
}

}  // namespace gantry::testing
