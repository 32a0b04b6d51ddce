// The rules of abi/layer.h that every layer driver keeps, as a test: the state machine; and, where the driver keeps files,
// that a tar stream goes in and comes out.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include <gantry/abi/layer.h>

#include "subject.hpp"

namespace gantry::testing {

// A tar stream with one regular file (POSIX ustar).
inline std::string tar_of(const std::string& path, const std::string& content) {
    std::array<char, 512> header{};
    std::snprintf(header.data(), 100, "%s", path.c_str());
    std::snprintf(header.data() + 100, 8, "%07o", 0644u);
    std::snprintf(header.data() + 108, 8, "%07o", 0u);
    std::snprintf(header.data() + 116, 8, "%07o", 0u);
    std::snprintf(header.data() + 124, 12, "%011zo", content.size());
    std::snprintf(header.data() + 136, 12, "%011o", 0u);
    header[156] = '0';
    std::memcpy(header.data() + 257, "ustar\00000", 8);
    std::memset(header.data() + 148, ' ', 8);
    unsigned sum = 0;
    for (char c : header) sum += static_cast<unsigned char>(c);
    std::snprintf(header.data() + 148, 8, "%06o", sum);
    std::string tar(header.data(), header.size());
    tar += content + std::string((512 - content.size() % 512) % 512, '\0');
    return tar + std::string(1024, '\0');
}

// What "rebase" promises: a layer that was unpacked before its parent was there is what it would be had it come after.
inline void run_layer_rebase_suite(Subject& driver, Findings& findings, const std::string& name) {
    const std::string base = name + "-below", upper = name + "-above", working[] = {name + "-w0", name + "-w1"};
    auto on = [&](const char* operation, const Json& request, int tar = -1) {
        std::vector<std::pair<std::string, int>> fds;
        if (tar >= 0) fds.emplace_back("tar", tar);
        return driver.call(GANTRY_LAYER, operation, request, fds);
    };
    const std::string tars[] = {tar_of("kept/one", "1\n"), tar_of("kept/two", "2\n")};
    for (int i = 0; i < 2; ++i) {
        findings.expect_ok(on("prepare", {{"key", working[i]}, {"parent", ""}, {"labels", Json::object()}}),
                           "prepare without a parent");
        int ends[2] = {-1, -1};
        if (::pipe2(ends, O_CLOEXEC) != 0) return;
        UniqueFd out(ends[0]), in(ends[1]);
        [[maybe_unused]] ssize_t written = ::write(in.get(), tars[i].data(), tars[i].size());
        in.reset();
        const Outcome applied = on("apply", {{"key", working[i]}}, out.get());
        if (applied.status != GANTRY_UNSUPPORTED) findings.expect_ok(applied, "apply to a layer without a parent");
    }
    const Json request{{"key", working[1]}, {"name", upper}, {"parent", base}};
    findings.expect(!on("commit", request).ok(), "commit on a parent that is not committed is refused");
    findings.expect_ok(on("commit", {{"key", working[0]}, {"name", base}}), "commit of the lower layer");
    findings.expect_ok(on("commit", request), "commit names the parent");
    findings.expect_ok(on("commit", request), "such a commit may be repeated");
    findings.expect_text(on("stat", {{"key", upper}}), "parent", base, "stat names the parent that commit gave");
    findings.expect_status(on("remove", {{"key", base}}), GANTRY_CONFLICT, "the parent cannot be removed first");
    findings.expect_ok(on("prepare", {{"key", working[0]}, {"parent", upper}, {"labels", Json::object()}}),
                       "a layer that was put on its parent can be a parent");
    findings.expect_status(on("commit", {{"key", working[0]}, {"name", name + "-no"}, {"parent", base}}),
                           GANTRY_CONFLICT, "a layer with a parent keeps it");
    for (const std::string& key : {working[0], upper, base})
        findings.expect_ok(on("remove", {{"key", key}}), "remove takes the layer away");
}

inline void run_layer_suite(Subject& driver, Findings& findings, const std::string& name) {
    const std::string active = name + "-active", base = name + "-base", child = name + "-child";
    auto on = [&](const char* operation, const Json& request, int tar = -1) {
        std::vector<std::pair<std::string, int>> fds;
        if (tar >= 0) fds.emplace_back("tar", tar);
        return driver.call(GANTRY_LAYER, operation, request, fds);
    };
    auto prepare = [&](const std::string& key, const std::string& parent) {
        return on("prepare", {{"key", key}, {"parent", parent}, {"labels", Json::object()}});
    };

    findings.expect_ok(on("remove", {{"key", active}}), "remove of a layer that is not there succeeds");
    findings.expect_text(on("stat", {{"key", active}}), "state", "absent", "stat says absent before prepare");
    Outcome first = prepare(active, "");
    if (!findings.expect_ok(first, "prepare makes an active layer")) return;
    Outcome again = prepare(active, "");
    findings.expect(again.ok() && again.result == first.result, "a repeated prepare gives the same answer",
                    again.result.dump());
    findings.expect_text(on("stat", {{"key", active}}), "state", "active", "stat says active after prepare");
    Outcome mounts = on("mounts", {{"key", active}});
    findings.expect(mounts.ok() && mounts.result.value("mounts", Json()) == first.result.value("mounts", Json(1)),
                    "mounts gives what prepare gave");
    findings.expect(!prepare(name + "-orphan", active).ok(), "an active layer cannot be a parent");

    const std::string tar = tar_of("greeting", "hello\n");
    int ends[2] = {-1, -1};
    bool has_files = false;
    if (::pipe2(ends, O_CLOEXEC) == 0) {
        UniqueFd out(ends[0]), in(ends[1]);
        [[maybe_unused]] ssize_t written = ::write(in.get(), tar.data(), tar.size());  // less than a pipe holds
        in.reset();
        Outcome applied = on("apply", {{"key", active}}, out.get());
        has_files = applied.status != GANTRY_UNSUPPORTED;
        if (has_files) findings.expect_ok(applied, "apply unpacks a tar stream");
    }
    findings.expect_ok(on("commit", {{"key", active}, {"name", base}}), "commit makes a committed layer");
    findings.expect_text(on("stat", {{"key", base}}), "state", "committed", "stat says committed after commit");
    findings.expect_text(on("stat", {{"key", active}}), "state", "absent", "the active layer is gone after commit");
    findings.expect_status(prepare(base, ""), GANTRY_CONFLICT, "prepare of a committed key is a conflict");

    findings.expect_ok(prepare(child, base), "a committed layer can be a parent");
    findings.expect_text(on("stat", {{"key", child}}), "parent", base, "stat names the parent");
    Outcome list = on("list", Json::object());
    int seen = 0;
    for (const Json& key : list.result.value("keys", Json::array())) seen += key == base || key == child;
    findings.expect(seen == 2, "list holds both layers", list.result.dump());
    findings.expect_ok(on("usage", {{"key", base}}), "usage of a committed layer answers");
    if (has_files && ::pipe2(ends, O_CLOEXEC) == 0) {
        UniqueFd out(ends[0]), in(ends[1]);
        std::string read_back;
        std::thread reader([&] {
            char buffer[4096];
            for (ssize_t n = 0; (n = ::read(out.get(), buffer, sizeof buffer)) > 0;)
                read_back.append(buffer, static_cast<std::size_t>(n));
        });
        Outcome differed = on("diff", {{"key", base}}, in.get());
        in.reset();
        reader.join();
        findings.expect_ok(differed, "diff writes a tar stream");
        findings.expect(
            read_back.find("greeting") != std::string::npos && read_back.find("hello\n") != std::string::npos,
            "diff gives back what apply took");
        Outcome changes = on("changes", {{"key", base}});
        findings.expect(changes.ok() && changes.result.dump().find("/greeting") != std::string::npos,
                        "changes lists the file", changes.result.dump());
    }
    Outcome view = on("view", {{"key", name + "-view"}, {"parent", base}});
    findings.expect_ok(view, "view gives a read-only layer");
    findings.expect_text(on("stat", {{"key", name + "-view"}}), "state", "view", "stat says view");

    for (const std::string& key : {name + "-view", child, base}) {
        findings.expect_ok(on("remove", {{"key", key}}), "remove takes the layer away");
        findings.expect_ok(on("remove", {{"key", key}}), "remove may be repeated");
        findings.expect_text(on("stat", {{"key", key}}), "state", "absent", "stat says absent after remove");
    }
    findings.expect_ok(on("cleanup", Json::object()), "cleanup answers");
}

}  // namespace gantry::testing
