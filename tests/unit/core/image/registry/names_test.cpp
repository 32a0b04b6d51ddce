#include "core/image/registry/names.hpp"

#include <gtest/gtest.h>

namespace gantry::image::registry {
namespace {

void expect_location(const std::string& name, const std::string& host, const std::string& repository) {
    const Location location = location_of(name);
    EXPECT_EQ(location.host, host) << name;
    EXPECT_EQ(location.repository, repository) << name;
}

TEST(RegistryNames, ShortNamesAreOfTheDefaultRegistry) {
    expect_location("debian", "docker.io", "library/debian");
    expect_location("library/debian", "docker.io", "library/debian");
    expect_location("someone/app", "docker.io", "someone/app");
    expect_location("a/b/c", "docker.io", "a/b/c");
    expect_location("docker.io/debian", "docker.io", "library/debian");
    expect_location("index.docker.io/someone/app", "docker.io", "someone/app");
}

TEST(RegistryNames, AFirstPartWithADotAPortOrLocalhostIsARegistry) {
    expect_location("localhost/app", "localhost", "app");
    expect_location("localhost:5000/app", "localhost:5000", "app");
    expect_location("127.0.0.1:5000/a/b", "127.0.0.1:5000", "a/b");
    expect_location("registry.example/app", "registry.example", "app");
    expect_location("[::1]:5000/app", "[::1]:5000", "app");
    expect_location("localhostx/app", "docker.io", "localhostx/app");
}

TEST(RegistryNames, FamiliarNamesAreTheReverse) {
    for (const char* name : {"debian", "someone/app", "localhost:5000/app", "registry.example/a/b"})
        EXPECT_EQ(familiar_name(location_of(name)), name);
}

TEST(RegistryNames, ServersOfALogin) {
    for (const char* server : {"", "docker.io", "https://index.docker.io/v1/", "index.docker.io"})
        EXPECT_EQ(*host_of_server(server), "docker.io") << server;
    EXPECT_EQ(*host_of_server("http://localhost:5000/v2/"), "localhost:5000");
    EXPECT_EQ(*host_of_server("registry.example"), "registry.example");
    for (const char* server : {"user@host", "a b", "https://", "host?x"})
        EXPECT_FALSE(host_of_server(server)) << server;
}

TEST(RegistryNames, TheDefaultRegistryIsDialledUnderAnotherName) {
    EXPECT_NE(endpoint_of(default_host()), default_host());
    EXPECT_EQ(endpoint_of("localhost:5000"), "localhost:5000");
}

}  // namespace
}  // namespace gantry::image::registry
