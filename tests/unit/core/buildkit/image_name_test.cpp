#include "core/buildkit/image_name.hpp"

#include <gtest/gtest.h>

namespace gantry::buildkit {
namespace {

TEST(ImageName, ANameHasItsRegistryAndTag) {
    EXPECT_EQ(full_name("x"), "docker.io/library/x:latest");
    EXPECT_EQ(full_name("x:1"), "docker.io/library/x:1");
    EXPECT_EQ(full_name("a/x:1"), "docker.io/a/x:1");
    EXPECT_EQ(full_name("localhost/x"), "localhost/x:latest");
    EXPECT_EQ(full_name("example.com:5000/a/x"), "example.com:5000/a/x:latest");
    EXPECT_EQ(full_name("docker.io/library/x:1"), "docker.io/library/x:1");
}

TEST(ImageName, CredentialsAreKeptByServers) {
    EXPECT_EQ(login_host("docker.io"), "registry-1.docker.io");
    EXPECT_EQ(login_host("example.com:5000"), "example.com:5000");
}

}  // namespace
}  // namespace gantry::buildkit
