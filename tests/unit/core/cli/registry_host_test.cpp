#include "core/cli/registry_host.hpp"

#include <gtest/gtest.h>

namespace gantry::cli {
namespace {

constexpr const char* default_key = "https://index.docker.io/v1/";

TEST(RegistryHost, images_belong_to_the_registry_that_docker_takes) {
    for (auto [image, key] :
         std::initializer_list<std::pair<const char*, const char*>>{{"alpine", default_key},
                                                                    {"alpine:3.19", default_key},
                                                                    {"me/app", default_key},
                                                                    {"docker.io/library/alpine", default_key},
                                                                    {"index.docker.io/me/app", default_key},
                                                                    {"localhost/app", "localhost"},
                                                                    {"localhost:5000/app:1", "localhost:5000"},
                                                                    {"reg.example/a/b@sha256:00", "reg.example"},
                                                                    {"[::1]:5000/app", "[::1]:5000"},
                                                                    {"Upper/app", "Upper"}})
        EXPECT_EQ(registry_of_image(image), key) << image;
}

TEST(RegistryHost, servers_are_known_by_their_host) {
    for (auto [server, key] :
         std::initializer_list<std::pair<const char*, const char*>>{{"", default_key},
                                                                    {"docker.io", default_key},
                                                                    {default_key, default_key},
                                                                    {"https://index.docker.io/v2/", default_key},
                                                                    {"reg:5000", "reg:5000"},
                                                                    {"https://reg:5000/", "reg:5000"},
                                                                    {"http://reg:5000/v1/", "reg:5000"}})
        EXPECT_EQ(registry_of_server(server), key) << server;
    EXPECT_EQ(registry_title(default_key), "docker.io");
    EXPECT_EQ(registry_title("reg:5000"), "reg:5000");
}

TEST(RegistryHost, complete_names_have_a_registry) {
    EXPECT_EQ(complete_name("alpine:3"), "docker.io/library/alpine:3");
    EXPECT_EQ(complete_name("me/app"), "docker.io/me/app");
    EXPECT_EQ(complete_name("docker.io/me/app"), "docker.io/me/app");
    EXPECT_EQ(complete_name("reg:5000/app:1"), "reg:5000/app:1");
}

}  // namespace
}  // namespace gantry::cli
