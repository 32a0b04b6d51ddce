#include <gtest/gtest.h>

#include <fstream>

#include "core/container/capabilities.hpp"
#include "core/container/create_request.hpp"
#include "core/container/log_options.hpp"
#include "core/container/mounts.hpp"
#include "core/container/network_wishes.hpp"
#include "core/container/seccomp_profile.hpp"
#include "core/container/spec.hpp"
#include "core/container/view.hpp"
#include "core/daemon/api/parameters.hpp"
#include "tests/unit/core/store/bent.hpp"

namespace gantry::container {
namespace {

const Json image =
    Json::parse(R"({"Env": ["PATH=/bin", "A=image"], "Cmd": ["serve", "-x"], "Entrypoint": ["/entry"], "User": "www",
  "WorkingDir": "/srv", "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "Labels": {"from": "image", "both": "image"}})");

Result<Container> read(Json body) {
    std::vector<std::string> warnings;
    return read_create_request(body, image, {"rt", "layers"}, &warnings);
}

std::string error_of(Json body) {
    auto result = read(std::move(body));
    return result ? "accepted" : result.error().text;
}

TEST(CreateRequest, takes_what_the_user_left_open_from_the_image) {
    auto c = read({{"Image", "x"}, {"Env", {"A=user", "B=2"}}, {"Labels", {{"both", "user"}}}});
    ASSERT_TRUE(c) << c.error().text;
    EXPECT_EQ(c->path, "/entry");
    EXPECT_EQ(c->args, (std::vector<std::string>{"serve", "-x"}));
    EXPECT_EQ(c->config["Env"], Json({"PATH=/bin", "A=user", "B=2"}));
    EXPECT_EQ(c->config["User"], "www");
    EXPECT_EQ(c->config["WorkingDir"], "/srv");
    EXPECT_EQ(c->config["Labels"], Json({{"from", "image"}, {"both", "user"}}));
    EXPECT_TRUE(c->config["ExposedPorts"].contains("80/tcp"));
    EXPECT_EQ(c->host_config["PidsLimit"], 4096);
    EXPECT_EQ(c->host_config["LogConfig"]["Type"], "local");
}

TEST(CreateRequest, an_entrypoint_of_the_user_drops_the_images_command) {
    auto c = read({{"Entrypoint", {"/bin/sh"}}});
    ASSERT_TRUE(c);
    EXPECT_EQ(c->path, "/bin/sh");
    EXPECT_TRUE(c->args.empty());
}

TEST(CreateRequest, an_empty_entrypoint_word_takes_the_images_entrypoint_away) {
    auto c = read({{"Entrypoint", {""}}, {"Cmd", {"ls"}}});
    ASSERT_TRUE(c);
    EXPECT_EQ(c->path, "ls");
}

TEST(CreateRequest, says_what_is_wrong_in_one_line) {
    auto host = [](Json h) { return Json{{"HostConfig", std::move(h)}}; };
    EXPECT_EQ(error_of({{"Cmd", Json::array()}, {"Entrypoint", {""}}}), "no command specified");
    EXPECT_EQ(error_of(host({{"Memory", 4096}})), "Minimum memory limit allowed is 6MB");
    EXPECT_EQ(error_of(host({{"RestartPolicy", {{"Name", "sometimes"}}}})),
              "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or "
              "'unless-stopped'");
    EXPECT_EQ(error_of(host({{"AutoRemove", true}, {"RestartPolicy", {{"Name", "always"}}}})),
              "can't create 'AutoRemove' container with restart policy");
    EXPECT_EQ(error_of(host({{"CapAdd", {"NET_ADMN"}}})),
              "invalid capability: \"CAP_NET_ADMN\", did you mean \"CAP_NET_ADMIN\"?");
    EXPECT_EQ(error_of(host({{"PidMode", "elsewhere"}})),
              "invalid HostConfig.PidMode: \"elsewhere\", allowed: \"\" \"host\" \"container:NAME\"");
    EXPECT_EQ(error_of(host({{"StorageOpt", {{"size", "1g"}}}})), "HostConfig.StorageOpt is not supported");
    EXPECT_EQ(error_of(host({{"Memory", "much"}})), "HostConfig.Memory: expected number, found string");
    EXPECT_EQ(error_of(host({{"Ulimits", {{{"Name", "files"}, {"Soft", 1}, {"Hard", 1}}}}})),
              "invalid ulimit type: files");
    EXPECT_EQ(error_of({{"Env", {"=x"}}}), "invalid environment variable: =x");
    EXPECT_EQ(error_of(host({{"ExtraHosts", {"a:10.0.0.1\n10.0.0.2\tb"}}})),
              "invalid IP address in add-host: \"10.0.0.1\\n10.0.0.2\\tb\"");
    EXPECT_EQ(error_of(host({{"ExtraHosts", {"a\nb:10.0.0.1"}}})), "bad format for add-host: \"a\\nb:10.0.0.1\"");
    EXPECT_EQ(error_of(host({{"ExtraHosts", {"a"}}})), "bad format for add-host: \"a\"");
    EXPECT_EQ(error_of(host({{"Dns", {"1.1.1.1\nsearch x"}}})),
              "invalid HostConfig.Dns: \"1.1.1.1\\nsearch x\" has a control character in it");
    EXPECT_TRUE(read(
        {{"HostConfig", {{"ExtraHosts", {"a:10.0.0.1", "b=::1", "c:fe80::1", "d:host-gateway"}}}}, {"Cmd", {"x"}}}));
    EXPECT_EQ(error_of({{"WorkingDir", "relative"}}),
              "the working directory 'relative' is invalid, it needs to be an absolute path");
}

TEST(CreateRequest, survives_the_store) {
    auto c = read({{"Image", "x"}});
    ASSERT_TRUE(c);
    c->id = std::string(64, 'a');
    c->name = "web";
    c->mounts.push_back({"bind", "", "", "/src", "/dst", "ro", "rprivate", false, true, false, true, false, "", {}});
    c->state.status = Status::exited;
    c->state.exit_code = 3;
    auto back = Container::from_body(c->id, c->name, c->to_body());
    ASSERT_TRUE(back) << back.error().text;
    EXPECT_EQ(back->to_body(), c->to_body());
}

// A request with something in every part of the configuration that has parts.
Result<Container> full_container() {
    GANTRY_TRY(Container c, read(Json::parse(R"({"Image": "x", "Env": ["A=1"], "Labels": {"a": "b"}, "StopTimeout": 3,
      "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1000000000, "Retries": 2},
      "HostConfig": {"Binds": ["/a:/b"], "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}], "CapAdd": ["NET_RAW"],
        "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}], "81/tcp": null},
        "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "rwm"}],
        "BlkioDeviceReadBps": [{"Path": "/dev/null", "Rate": 5}], "Sysctls": {"a.b": "1"}, "Init": true,
        "LogConfig": {"Type": "local", "Config": {"max-size": "1m"}}, "MaskedPaths": ["/x"], "MemorySwappiness": 5},
      "NetworkingConfig": {"EndpointsConfig": {"front": {"Aliases": ["x"]}}}})")));
    c.id = std::string(64, 'a');
    c.name = "web";
    c.mounts.push_back({"bind", "", "", "/a", "/b", "ro", "rprivate", false, true, false, true, false, "", {"x"}});
    return c;
}

TEST(StoredContainer, refuses_a_damaged_record) {
    auto c = full_container();
    ASSERT_TRUE(c) << c.error().text;
    ASSERT_TRUE(Container::from_body(c->id, c->name, c->to_body()));
    EXPECT_FALSE(Container::from_body("x", "y", Json{{"created", "yesterday"}}));
    EXPECT_FALSE(Container::from_body("x", "y", Json::object()));
    for (const test::Bent& bent : test::bent(c->to_body())) {
        auto read = Container::from_body(c->id, c->name, bent.body);
        if (!read) {
            EXPECT_EQ(read.error().code, Code::corrupt) << bent.where;
            continue;
        }
        // What is taken is taken as it is, and nobody who uses it trips over it.
        EXPECT_EQ(read->to_body(), bent.body) << bent.where;
        EXPECT_NO_THROW({
            (void)read->terminal();
            (void)read->open_stdin();
            (void)read->auto_remove();
            (void)read->network_mode();
            (void)read->stop_signal();
            (void)network_wishes(*read);
            (void)log_settings(read->host_config["LogConfig"], "/");
            (void)read->host_config["RestartPolicy"].value("Name", "");
            (void)read->host_config["RestartPolicy"].value("MaximumRetryCount", std::int64_t{0});
            (void)read->host_config["CgroupParent"].get<std::string>();
            (void)read->config.value("StopTimeout", 10);
        }) << bent.where;
    }
}

TEST(StoredContainer, has_every_member_of_its_record) {
    auto c = full_container();
    ASSERT_TRUE(c) << c.error().text;
    for (const test::Bent& bent : test::without_each(c->to_body()))
        EXPECT_EQ(bool(Container::from_body(c->id, c->name, bent.body)), bent.where == "no health") << bent.where;
    for (const char* part : {"state", "host_config"})
        for (const test::Bent& bent : test::without_each(c->to_body()[part])) {
            Json body = c->to_body();
            body[part] = bent.body;
            EXPECT_EQ(bool(Container::from_body(c->id, c->name, body)), bent.where == "no with_volumes") << bent.where;
        }
}

TEST(CreateRequest, what_it_takes_can_be_read_back_from_the_store) {
    const Json good = Json::parse(R"({"Cmd": ["x"], "OnBuild": null, "HostConfig": {"Binds": null, "CapDrop": null,
      "ExtraHosts": null, "GroupAdd": null, "Links": null, "SecurityOpt": null, "Init": null, "PidsLimit": null,
      "MaskedPaths": null, "DeviceCgroupRules": null, "MemorySwappiness": null, "VolumesFrom": null, "Memory": 0,
      "Ulimits": null, "Mounts": null, "Tmpfs": {}, "LogConfig": {"Type": "local"}, "RestartPolicy": {"Name": ""}}})");
    ASSERT_TRUE(read(good)) << error_of(good);
    for (const test::Bent& bent : test::bent(good)) {
        if (!bent.body.is_object()) continue;
        auto c = read(bent.body);
        if (!c) continue;
        c->id = std::string(64, 'a');
        auto back = Container::from_body(c->id, "web", c->to_body());
        EXPECT_TRUE(back) << bent.where << ": " << back.error().text;
    }
}

TEST(Capabilities, default_set_is_the_documented_eleven) {
    EXPECT_EQ(default_capabilities().size(), 11u);
    for (const char* missing : {"CAP_MKNOD", "CAP_NET_RAW", "CAP_AUDIT_WRITE"})
        EXPECT_EQ(std::count(default_capabilities().begin(), default_capabilities().end(), missing), 0);
}

TEST(Capabilities, drop_all_then_add_one_leaves_one) {
    auto set = effective_capabilities(default_capabilities(), {"chown"}, {"ALL"}, nullptr);
    ASSERT_TRUE(set);
    EXPECT_EQ(*set, std::vector<std::string>{"CAP_CHOWN"});
}

TEST(Capabilities, add_all_then_drop_one) {
    auto set = effective_capabilities(default_capabilities(), {"ALL"}, {"SYS_ADMIN"}, nullptr);
    ASSERT_TRUE(set);
    EXPECT_EQ(std::count(set->begin(), set->end(), "CAP_SYS_ADMIN"), 0);
    EXPECT_EQ(std::count(set->begin(), set->end(), "CAP_CHOWN"), 1);
}

Result<WantedMounts> mounts_of(Json host, Json config = {{"Volumes", Json::object()}}) {
    return wanted_mounts(config, host, [](const std::string& ref) -> Result<std::vector<MountPoint>> {
        return fail(Code::not_found, "No such container: " + ref);
    });
}

TEST(Mounts, a_bind_may_be_a_host_path_or_a_volume) {
    auto m = mounts_of({{"Binds", {"/src/../etc:/a/:ro", "vol:/b"}}});
    ASSERT_TRUE(m) << m.error().text;
    EXPECT_EQ(m->points[0].type, "bind");
    EXPECT_EQ(m->points[0].source, "/etc");
    EXPECT_EQ(m->points[0].destination, "/a");
    EXPECT_FALSE(m->points[0].writable);
    EXPECT_EQ(m->points[1].type, "volume");
    EXPECT_EQ(m->points[1].name, "vol");
}

TEST(Mounts, an_images_volume_gives_way_to_the_users_mount) {
    auto m =
        mounts_of({{"Binds", {"mine:/data"}}}, {{"Volumes", {{"/data", Json::object()}, {"/other", Json::object()}}}});
    ASSERT_TRUE(m);
    ASSERT_EQ(m->points.size(), 2u);
    EXPECT_EQ(m->points[0].name, "mine");
    EXPECT_TRUE(m->points[1].anonymous);
}

TEST(Mounts, parents_come_before_what_lies_inside_them) {
    auto m = mounts_of({{"Binds", {"a:/x/y/z", "b:/x", "c:/x/y"}}});
    ASSERT_TRUE(m);
    EXPECT_EQ(m->points[0].destination, "/x");
    EXPECT_EQ(m->points[1].destination, "/x/y");
    EXPECT_EQ(m->points[2].destination, "/x/y/z");
}

TEST(Mounts, bad_ones_are_refused) {
    auto error = [](Json host) {
        auto m = mounts_of(std::move(host));
        return m ? "accepted" : m.error().text;
    };
    EXPECT_EQ(error({{"Binds", {"a:/x", "b:/x"}}}), "Duplicate mount point: /x");
    EXPECT_EQ(error({{"Binds", {"a:/"}}}), "invalid volume specification: destination can't be '/'");
    EXPECT_EQ(error({{"Binds", {"a:/../.."}}}), "invalid volume specification: destination can't be '/'");
    EXPECT_EQ(error({{"Binds", {"a:/x:wr"}}}), "invalid mode: wr");
    EXPECT_EQ(error({{"Binds", {"a:/proc/self"}}}), "invalid mount path: \"/proc/self\" is inside \"/proc\"");
    EXPECT_EQ(error({{"Binds", {"a:/x/../proc"}}}), "invalid mount path: \"/proc\" is inside \"/proc\"");
    EXPECT_EQ(error({{"Tmpfs", {{"/t", "size=1m,evil"}}}}), "invalid tmpfs option [\"evil\"]");
    EXPECT_EQ(error({{"Mounts", {{{"Type", "bind"}, {"Source", "/does/not/exist"}, {"Target", "/x"}}}}}),
              "invalid mount config for type \"bind\": bind source path does not exist: /does/not/exist");
    EXPECT_EQ(error({{"Mounts", {{{"Type", "magic"}, {"Target", "/x"}}}}}),
              "invalid mount config: mount type unknown: \"magic\"");
}

TEST(Seccomp, a_capability_opens_its_calls_and_no_others) {
    auto names = [](const SeccompProfile& profile, const char* action) {
        std::set<std::string> all;
        for (const Json& rule : profile.oci["syscalls"])
            if (rule["action"] == action && !rule.contains("args"))
                for (const Json& name : rule["names"]) all.insert(name.get<std::string>());
        return all;
    };
    auto plain = default_seccomp(default_capabilities());
    auto admin = default_seccomp({"CAP_SYS_ADMIN"});
    EXPECT_NE(plain.digest, admin.digest);
    EXPECT_FALSE(names(plain, "SCMP_ACT_ALLOW").contains("mount"));
    EXPECT_TRUE(names(plain, "SCMP_ACT_ERRNO").contains("mount"));
    EXPECT_TRUE(names(admin, "SCMP_ACT_ALLOW").contains("mount"));
    EXPECT_FALSE(names(admin, "SCMP_ACT_ERRNO").contains("mount"));
    for (const char* never : {"io_uring_setup", "kexec_load", "keyctl", "socketcall"})
        EXPECT_FALSE(names(admin, "SCMP_ACT_ALLOW").contains(never)) << never;
    EXPECT_EQ(plain.oci["defaultErrnoRet"], 38);
}

TEST(Seccomp, the_default_profile_is_the_references_rules) {
    std::ifstream file(GANTRY_SHARED "/reference/seccomp-default.json");
    if (!file) GTEST_SKIP() << "the reference profile is not beside this checkout";
    auto reference = resolve_seccomp(Json::parse(file), default_capabilities());
    ASSERT_TRUE(reference) << reference.error().text;
    auto allowed = [](const Json& oci) {
        std::set<std::string> all;
        for (const Json& rule : oci["syscalls"])
            if (rule["action"] == "SCMP_ACT_ALLOW")
                for (const Json& name : rule["names"])
                    all.insert(name.get<std::string>() + (rule.contains("args") ? rule["args"].dump() : ""));
        return all;
    };
    auto strip = [](std::set<std::string> set) {
        std::set<std::string> names;
        for (const auto& item : set) names.insert(item.substr(0, item.find_first_of("[{")));
        names.erase("socketcall");  // closed here: it would let AF_ALG through
        return names;
    };
    EXPECT_EQ(strip(allowed(default_seccomp(default_capabilities()).oci)), strip(allowed(reference->oci)));
}

TEST(Seccomp, a_profile_that_is_none_is_refused) {
    EXPECT_FALSE(resolve_seccomp(Json::array(), {}));
    EXPECT_FALSE(resolve_seccomp({{"defaultAction", 3}}, {}));
    EXPECT_FALSE(resolve_seccomp({{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", {{{"names", 5}}}}}, {}));
}

TEST(LogOptions, unknown_ones_are_named_with_those_there_are) {
    auto error = [](Json config) { return log_settings(config, "/x").error().text; };
    EXPECT_EQ(error({{"Type", "syslog"}}),
              "logger: no log driver named 'syslog' is registered, there are: json-file, local, none");
    EXPECT_EQ(error({{"Type", "local"}, {"Config", {{"max-sise", "1m"}}}}),
              "unknown log opt 'max-sise' for local log driver, there are: max-file, max-size");
    EXPECT_EQ(error({{"Type", "json-file"}, {"Config", {{"tags", "x"}}}}),
              "unknown log opt 'tags' for json-file log driver, there are: env, env-regex, labels, labels-regex, "
              "max-file, max-size, tag");
    EXPECT_EQ(error({{"Type", "local"}, {"Config", {{"labels", "x"}}}}),
              "unknown log opt 'labels' for local log driver, there are: max-file, max-size");
    auto good = log_settings({{"Type", "local"}, {"Config", {{"max-size", "10m"}, {"max-file", "2"}}}}, "/x");
    ASSERT_TRUE(good);
    EXPECT_EQ((*good)["max_size"], 10 << 20);
}

TEST(LogOptions, labels_and_variables_are_taken_from_the_container) {
    const Json config{{"Labels", {{"a", "1"}, {"b", "2"}}}, {"Env", {"X=y=z", "XY=no", "EMPTY="}}};
    auto settings = log_settings({{"Type", "json-file"}, {"Config", {{"labels", "a,none,"}, {"env", "X,EMPTY,NONE,"}}}},
                                 "/x", config);
    ASSERT_TRUE(settings) << settings.error().text;
    EXPECT_EQ((*settings)["attrs"], (Json{{"a", "1"}, {"X", "y=z"}, {"EMPTY", ""}}));
    EXPECT_FALSE(log_settings({{"Type", "json-file"}}, "/x", config)->contains("attrs"));
}

TEST(LogOptions, expressions_choose_labels_and_variables) {
    const Json config{{"Labels", {{"com.a", "1"}, {"com.b", "2"}, {"org.c", "3"}}},
                      {"Env", {"LC_ALL=C", "LANG=de", "=x"}}};
    auto attributes = [&](Json options) {
        auto settings = log_settings({{"Type", "json-file"}, {"Config", std::move(options)}}, "/x", config);
        EXPECT_TRUE(settings) << settings.error().text;
        return settings ? settings->value("attrs", Json()) : Json();
    };
    EXPECT_EQ(attributes({{"labels-regex", "^com\\."}}), (Json{{"com.a", "1"}, {"com.b", "2"}}));
    EXPECT_EQ(attributes({{"labels-regex", "a|c$"}, {"labels", "com.b"}}),
              (Json{{"com.a", "1"}, {"com.b", "2"}, {"org.c", "3"}}))
        << "anywhere in the name, as in Docker";
    EXPECT_EQ(attributes({{"env-regex", "^L[AC]"}}), (Json{{"LC_ALL", "C"}, {"LANG", "de"}}));
    EXPECT_EQ(attributes({{"env-regex", "(?i)^lang$"}}), (Json{{"LANG", "de"}}));
    EXPECT_EQ(attributes({{"labels-regex", ""}, {"env-regex", "nothing"}}), Json());
    for (const char* bad : {"(", "[", "(?=x)", "(a)\\1", "a{1001}"}) {
        const auto refused =
            log_settings({{"Type", "json-file"}, {"Config", {{"env-regex", bad}}}}, "/x", config).error().text;
        EXPECT_TRUE(refused.starts_with("invalid log option env-regex \"")) << refused;
    }
    EXPECT_FALSE(log_settings({{"Type", "json-file"}, {"Config", {{"env-regex", std::string(4097, 'a')}}}}, "/x"));
    // One that would keep a backtracking matcher busy for good.
    const std::string name(20000, 'a');
    EXPECT_TRUE(log_settings({{"Type", "json-file"}, {"Config", {{"env-regex", "^(a+)+$"}}}}, "/x",
                             Json{{"Env", {name + "!=x"}}}));
}

TEST(LogOptions, a_tag_says_whose_line_it_is) {
    const std::string id(64, 'c');
    const LogOwner owner{id, "web", "sha256:" + std::string(64, 'd'), "test/app:1"};
    EXPECT_EQ(*log_tag("{{.Name}}/{{ .ID }}", owner), "web/cccccccccccc");
    EXPECT_EQ(*log_tag("{{.FullID}}", owner), id);
    EXPECT_EQ(*log_tag("x {{.ImageName}} {{.ImageID}}", owner), "x test/app:1 dddddddddddd");
    EXPECT_EQ(*log_tag("{{.ImageFullID}}{{.DaemonName}}", owner), owner.image_id + "gantry");
    EXPECT_EQ(*log_tag("plain } text {", owner), "plain } text {");
    for (const char* bad : {"{{.Nmae}}", "{{", "{{.Name", "{{}}", "{{printf \"%s\" .Name}}", "{{.Name}}{{"})
        EXPECT_TRUE(log_tag(bad, owner).error().text.find("{{.Name}}") != std::string::npos) << bad;
    auto settings =
        log_settings({{"Type", "json-file"}, {"Config", {{"tag", "{{.Name}}"}}}}, "/x", Json::object(), owner);
    ASSERT_TRUE(settings) << settings.error().text;
    EXPECT_EQ((*settings)["attrs"], (Json{{"tag", "web"}}));
    EXPECT_FALSE(log_settings({{"Type", "local"}, {"Config", {{"tag", "x"}}}}, "/x"));
}

TEST(NetworkWishes, publishing_all_takes_what_has_no_port_of_its_own) {
    auto c =
        read({{"ExposedPorts", {{"80/tcp", Json::object()}, {"90-91/udp", Json::object()}}},
              {"HostConfig", {{"PublishAllPorts", true}, {"PortBindings", {{"80/tcp", {{{"HostPort", "8080"}}}}}}}}});
    ASSERT_TRUE(c) << c.error().text;
    auto wishes = network_wishes(*c);
    ASSERT_TRUE(wishes);
    ASSERT_EQ(wishes->ports.size(), 3u);
    EXPECT_EQ(wishes->ports[0].host_port, 8080);
    EXPECT_EQ(wishes->ports[1].container_port, 90);
    EXPECT_EQ(wishes->ports[2].protocol, "udp");
}

TEST(Status, is_worded_as_users_know_it) {
    State state;
    std::int64_t second = 1'000'000'000, now = 1'000'000 * second;
    state.status = Status::running;
    state.started_ns = now - 90 * second;
    EXPECT_EQ(status_text(state, "none", now), "Up About a minute");
    state.status = Status::exited;
    state.exit_code = 137;
    state.finished_ns = now - 7200 * second;
    EXPECT_EQ(status_text(state, "none", now), "Exited (137) 2 hours ago");
    EXPECT_EQ(human_duration(0), "Less than a second");
    EXPECT_EQ(human_duration(3 * 24 * 3600 * second), "3 days");
}

TEST(Signals, by_name_and_number) {
    EXPECT_EQ(*parse_signal("SIGTERM"), 15);
    EXPECT_EQ(*parse_signal("kill"), 9);
    EXPECT_EQ(*parse_signal("10"), 10);
    EXPECT_EQ(*parse_signal("RTMIN+3"), 37);
    for (const char* bad : {"", "0", "65", "SIGNONE", "-9", "RTMIN+99"}) EXPECT_FALSE(parse_signal(bad)) << bad;
}

TEST(DetachKeys, are_turned_into_bytes) {
    EXPECT_EQ(*daemon::read_detach_keys(""), "\x10\x11");
    EXPECT_EQ(*daemon::read_detach_keys("a,ctrl-b,ctrl-[,DEL"), "a\x02\x1b\x7f");
    EXPECT_FALSE(daemon::read_detach_keys("ctrl-shift-x"));
}

TEST(Names, are_valid_and_not_taken) {
    int asked = 0;
    std::string name = random_name([&](const std::string&) { return ++asked < 8; });
    EXPECT_EQ(asked, 8);
    EXPECT_NE(name.find('_'), std::string::npos);
}

}  // namespace
}  // namespace gantry::container
