#include "core/config/config.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/files.hpp"
#include "tests/unit/core/store/scratch.hpp"

using namespace gantry;
using namespace gantry::config;
using gantry::test::Scratch;

namespace {

using Lines = std::vector<std::string>;

// The one problem of a text, without the file's name.
std::string problem(std::string_view text) {
    Config config;
    const auto all = check(text, "f", &config);
    EXPECT_EQ(all.size(), 1u) << text << "\n" << (all.size() > 1 ? all[1] : "");
    return all.empty() ? "" : all[0].substr(2);
}

Config sound(std::string_view text) {
    Config config;
    for (const std::string& one : check(text, "f", &config)) ADD_FAILURE() << one;
    return config;
}

}  // namespace

TEST(Config, means_the_same_without_a_file_and_with_an_empty_one) {
    Scratch scratch;
    ASSERT_TRUE(write_file(scratch / "empty", ""));
    ASSERT_TRUE(write_file(scratch / "object", "{}"));
    for (const char* name : {"nothing", "empty", "object"}) {
        Config config;
        EXPECT_EQ(load(scratch / name, Missing::is_empty, &config), Lines{});
        EXPECT_EQ(config.defaults.network, "bridge");
        EXPECT_EQ(config.log.driver, "json-file");
        EXPECT_EQ(config.stop_timeout, 10);
        EXPECT_EQ(config.pids_limit, 4096);
        EXPECT_EQ(config.address_pools,
                  (std::vector<std::pair<std::string, int>>{{"172.16.0.0/12", 20}, {"192.168.0.0/16", 24}}));
    }
    Config config;
    const Lines missing = load(scratch / "nothing", Missing::is_error, &config);
    ASSERT_EQ(missing.size(), 1u);
    EXPECT_NE(missing[0].find("nothing"), std::string::npos);
}

TEST(Config, reads_every_key_and_comments) {
    const Config config = sound(R"({
        // the name
        "name": "test-1", /* drivers */
        "drivers": {"path": ["/a", "/b"], "nfs": {"options": {"server": "10.0.0.2"}, "isolation": "process"},
                    "gvisor": {"use": "oci", "options": {"binary": "/usr/bin/runsc"}, "isolation": "in-process"}},
        "default": {"network": "n", "volume": "v", "layer": "l", "runtime": "r", "host_network": "h", "none_network": "o"},
        "log_level": "debug", "log": {"driver": "json-file", "max-size": "10m", "max-file": 3},
        "address_pools": [{"base": "10.0.0.0/8", "size": 24}, {"base": "fd00:1::/48"}], "dns": ["1.1.1.1", "::1"], "socket_group": "docker",
        "shutdown_timeout": 20, "stop_timeout": 5, "pids_limit": -1, "events_kept": 100})");
    EXPECT_EQ(config.name, "test-1");
    EXPECT_EQ(config.driver_path, (std::vector<std::string>{"/a", "/b"}));
    ASSERT_EQ(config.drivers.size(), 2u);
    EXPECT_EQ(config.drivers[0].name, "gvisor");
    EXPECT_EQ(config.drivers[0].use, "oci");
    EXPECT_EQ(config.drivers[0].isolation, driver::Isolation::in_process);
    EXPECT_EQ(config.drivers[1].options["server"], "10.0.0.2");
    EXPECT_EQ(config.drivers[1].isolation, driver::Isolation::process);
    EXPECT_EQ(config.defaults.runtime, "r");
    EXPECT_EQ(config.defaults.none_network, "o");
    EXPECT_EQ(config.log_level, "debug");
    EXPECT_EQ(config.log.driver, "json-file");
    EXPECT_EQ(config.log.max_size, 10 << 20);
    EXPECT_EQ(config.log.max_file, 3);
    EXPECT_EQ(config.address_pools,
              (std::vector<std::pair<std::string, int>>{{"10.0.0.0/8", 24}, {"fd00:1::/48", 64}}));
    EXPECT_EQ(config.dns.size(), 2u);
    EXPECT_EQ(config.socket_group, "docker");
    EXPECT_EQ(config.shutdown_timeout, 20);
    EXPECT_EQ(config.stop_timeout, 5);
    EXPECT_EQ(config.pids_limit, -1);
    EXPECT_EQ(config.events_kept, 100);
}

TEST(Config, says_where_an_unknown_key_is_and_what_was_meant) {
    const std::string top = problem("{\n  \"stop_timout\": 5}");
    EXPECT_TRUE(top.starts_with("2:3: \"stop_timout\": unknown key; known are name, drivers, ")) << top;
    EXPECT_TRUE(top.ends_with("; did you mean \"stop_timeout\"?")) << top;
    EXPECT_EQ(problem("{\"default\": {\n    \"netwrok\": \"x\"}}"),
              "2:5: \"default.netwrok\": unknown key; known are network, volume, layer, runtime, host_network, "
              "none_network; did you mean \"network\"?");
    EXPECT_NE(problem("{\"drivers\": {\"nfs\": {\"zzzzzzzz\": 1}}}").find("known are use, options, isolation"),
              std::string::npos);
}

TEST(Config, says_what_was_found_and_what_is_allowed) {
    EXPECT_EQ(
        problem("{\"log_level\": \"wran\"}"),
        "1:2: \"log_level\": found the text \"wran\", must be one of error, warn, info, debug; did you mean \"warn\"?");
    EXPECT_EQ(problem("{\"stop_timeout\": -1}"),
              "1:2: \"stop_timeout\": found the number -1, must be a whole number from 0 to 3600");
    EXPECT_EQ(problem("{\"stop_timeout\": \"10\"}"),
              "1:2: \"stop_timeout\": found the text \"10\", must be a whole number from 0 to 3600");
    EXPECT_EQ(problem("{\"dns\": [\n\"1.1.1.1\",\n  \"x\"]}"),
              "3:3: \"dns.1\": found the text \"x\", must be an IP address");
    EXPECT_EQ(problem("{\"drivers\": {\"path\": [\"rel\"]}}"),
              "1:23: \"drivers.path.0\": found the text \"rel\", must be an absolute path");
    for (const char* text : {"[]",
                             "3",
                             "{\"drivers\": []}",
                             "{\"drivers\": {\"a b\": {}}}",
                             "{\"drivers\": {\"NFS\": {}}}",
                             "{\"drivers\": {\"nfs\": {\"use\": \"a.b\"}}}",
                             "{\"drivers\": {\"nfs\": []}}",
                             "{\"drivers\": {\"nfs\": {\"options\": 3}}}",
                             "{\"drivers\": {\"nfs\": {\"isolation\": true}}}",
                             "{\"name\": \"UPPER\"}",
                             "{\"name\": \"a-name-that-is-much-too-long\"}",
                             "{\"default\": {\"layer\": \"\"}}",
                             "{\"default\": {\"layer\": \"../x\"}}",
                             "{\"log\": {\"max-size\": \"x\"}}",
                             "{\"log\": {\"max-size\": 1}}",
                             "{\"log\": {\"driver\": \"syslog\"}}",
                             "{\"address_pools\": []}",
                             "{\"address_pools\": [{\"base\": \"10.0.0.1/8\"}]}",
                             "{\"address_pools\": [{\"base\": \"10.0.0.0/8\", \"size\": 4}]}",
                             "{\"address_pools\": [{\"base\": \"fd00::1/48\"}]}",
                             "{\"address_pools\": [{\"base\": \"fd00::/48\", \"size\": 126}]}",
                             "{\"address_pools\": [{}]}",
                             "{\"pids_limit\": 0}",
                             "{\"events_kept\": 1e3}",
                             "{\"events_kept\": 18446744073709551615}",
                             "{\"dns\": \"1.1.1.1\"}",
                             "{\"name\": null}"})
        EXPECT_NE(problem(text), "") << text;
}

TEST(Config, says_where_it_is_no_json) {
    EXPECT_TRUE(problem("{\n  \"name\": \"a\"\n  \"dns\": []\n}").starts_with("3:"))
        << problem("{\n  \"name\": \"a\"\n  \"dns\": []\n}");
    EXPECT_TRUE(problem("{").starts_with("1:"));
    EXPECT_TRUE(problem("{\"name\": \"a\", \"name\": \"b\"}").starts_with("1:15: \"name\": the key stands twice"));
    EXPECT_NE(problem("{\"name\": " + std::string(100'000, '[') + std::string(100'000, ']') + "}").find("nested"),
              std::string::npos);
}

TEST(Config, tells_of_every_problem_in_the_order_of_the_file) {
    Config config;
    const std::string text =
        "{\"stop_timeout\": -1,\n\"dns\": [\"x\", 1, \"1.1.1.1\", \"y\"],\n\"a\": 1, \"a\": 2,\n\"name\": \"UPPER\", "
        "\"name\": "
        "\"b\",\n\"log_level\": 3}";
    const Lines all = check(text, "f", &config);
    Lines places;
    for (const std::string& one : all) places.push_back(one.substr(2, one.find(": ") - 2));
    EXPECT_EQ(places, (Lines{"1:2", "2:9", "2:14", "2:28", "3:9", "3:9", "4:18", "5:1"}))
        << ::testing::PrintToString(all);
    EXPECT_EQ(config.dns, Lines{"1.1.1.1"});
    Scratch scratch;
    ASSERT_TRUE(write_file(scratch / "f", text));
    const Lines of_file = load(scratch / "f", Missing::is_error, &config);
    ASSERT_EQ(of_file.size(), all.size());
    EXPECT_TRUE(of_file[0].starts_with(scratch / "f:1:2: ")) << of_file[0];
}

TEST(Config, a_problem_is_one_line_whatever_the_file_holds) {
    Config config;
    for (const std::string& one : check(R"({"a\nb": 1, "default": {"network": "x\u001b[2J\n"}})", "f", &config))
        EXPECT_EQ(std::count_if(one.begin(), one.end(), [](unsigned char c) { return c < 0x20; }), 0) << one;
}

// No file of a driver is needed for a name that stands for none.
TEST(Config, holds_names_of_drivers_against_those_there_are) {
    Scratch scratch;
    const std::string drivers = scratch / "drivers";
    ASSERT_TRUE(make_directories(drivers));
    for (const char* file : {"network-bridge.so", "network-host.so", "volume-local.so", "layer-overlayfs.so"})
        ASSERT_TRUE(write_file(drivers + "/" + file, ""));
    Installed installed;
    installed.drivers.path = {drivers};
    Config config;
    EXPECT_EQ(check("{\"default\": {\"network\": \"bridge\"}, \"drivers\": {\"local\": {}}}", "f", &config, &installed),
              Lines{});
    EXPECT_EQ(
        check("{\"default\": {\"network\": \"brigde\",\n\"layer\": \"local\"},\n\"drivers\": {\"nfs\": {},\n\"fast\": "
              "{\"use\": \"lokal\"}}}",
              "f", &config, &installed),
        (Lines{"f:1:14: \"default.network\": no network driver \"brigde\"; there are: \"bridge\", \"host\"; did you "
               "mean \"bridge\"?",
               "f:2:1: \"default.layer\": no layer driver \"local\"; \"local\" is a volume driver; there are: "
               "\"overlayfs\"",
               "f:3:13: \"drivers.nfs\": found \"nfs\", no driver of that name is in " + drivers +
                   "; there are: \"bridge\", \"host\", \"local\", \"overlayfs\"",
               "f:4:10: \"drivers.fast.use\": found \"lokal\", no driver of that name is in " + drivers +
                   "; there are: \"bridge\", \"host\", \"local\", \"overlayfs\"; did you mean \"local\"?"}));
}

TEST(Config, names_an_engine_after_its_root) {
    Config config;
    EXPECT_EQ(engine_name(config, "/var/lib/gantry"), "gantry");
    const std::string other = engine_name(config, "/tmp/a");
    EXPECT_EQ(other.size(), 15u);
    EXPECT_TRUE(other.starts_with("gantry-"));
    EXPECT_EQ(engine_name(config, "/tmp/a"), other);
    EXPECT_NE(engine_name(config, "/tmp/b"), other);
    config.name = "mine";
    EXPECT_EQ(engine_name(config, "/tmp/a"), "mine");
}

TEST(Config, knows_registries) {
    const Registries r =
        sound(R"({"registries": {"a.example:5000": {"mirrors": ["https://m.example/x"], "insecure": false,
                              "ca": "/etc/ca.crt", "realms": ["auth.example"]}, "[::1]:5000": {"http": true}},
                              "proxies": {"http": "http://u:p@proxy.example:3128", "no": ["10.0.0.0/8"]},
                              "max_concurrent_downloads": 7, "certificate_directories": []})")
            .registries;
    ASSERT_EQ(r.hosts.size(), 2u);
    EXPECT_EQ(r.hosts.at("a.example:5000").mirrors, Lines{"https://m.example/x"});
    EXPECT_EQ(r.hosts.at("a.example:5000").insecure, false);
    EXPECT_EQ(r.hosts.at("[::1]:5000").insecure, std::nullopt);
    EXPECT_TRUE(r.hosts.at("[::1]:5000").http);
    EXPECT_EQ(r.proxies.http, "http://u:p@proxy.example:3128");
    EXPECT_EQ(r.proxies.https, std::nullopt);
    EXPECT_EQ(r.downloads, 7);
    EXPECT_EQ(r.uploads, 5);
    EXPECT_TRUE(r.certificate_directories.empty());
}

TEST(Config, tells_of_mistakes_about_registries) {
    for (const char* text :
         {R"({"registries": []})", R"({"registries": {"a/b": {}}})", R"({"registries": {"": {}}})",
          R"({"registries": {"a": {"mirror": []}}})", R"({"registries": {"a": {"mirrors": ["ftp://x"]}}})",
          R"({"registries": {"a": {"mirrors": ["https://u:p@x"]}}})", R"({"registries": {"a": {"insecure": "yes"}}})",
          R"({"registries": {"a": {"http": true, "insecure": false}}})", R"({"registries": {"a": {"ca": "ca.crt"}}})",
          R"({"registries": {"a": {"realms": ["https://x"]}}})", R"({"registries": {"a:99999": {}}})",
          R"({"proxies": {"http": "proxy"}})", R"({"proxies": {"ftp": ""}})", R"({"max_concurrent_downloads": 0})",
          R"({"max_download_attempts": 101})", R"({"certificate_directories": ["x"]})"})
        EXPECT_NE(problem(text), "") << text;
    EXPECT_EQ(problem(R"({"registries": {"a": {"insecure": 1}}})"),
              "1:23: \"registries.a.insecure\": found the number 1, must be true or false");
}

TEST(Config, reads_when_unused_images_go) {
    EXPECT_FALSE(sound("{}").image_gc.enabled());
    EXPECT_FALSE(sound(R"({"images": {"gc": {"keep": ["debian:*"]}}})").image_gc.enabled());
    const Config config = sound(
        R"({"images": {"gc": {"max_age": "720h", "max_size": "50GB", "interval": "30m", "keep": ["debian:*", "a/*"]}}})");
    EXPECT_TRUE(config.image_gc.enabled());
    EXPECT_EQ(config.image_gc.max_age_ns, std::int64_t{720} * 3600 * 1'000'000'000);
    EXPECT_EQ(config.image_gc.max_size, std::int64_t{50} << 30);
    EXPECT_EQ(config.image_gc.interval_ns, std::int64_t{1800} * 1'000'000'000);
    EXPECT_EQ(config.image_gc.keep, (Lines{"debian:*", "a/*"}));
    EXPECT_EQ(problem(R"({"images": {"gc": {"max_age": 5}}})"),
              "1:20: \"images.gc.max_age\": found the number 5, must be a duration of 1s or more such as \"720h\"");
    EXPECT_EQ(problem(R"({"images": {"gc": {"max_size": "-1"}}})"),
              "1:20: \"images.gc.max_size\": found the text \"-1\", must be a size such as \"50GB\"");
}
