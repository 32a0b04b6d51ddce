#include "core/build/remote_address.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstdlib>

namespace gantry::build {
namespace {

// Why an address is refused that `url` leads to, "" for not at all.
std::string refused(const std::string& url, const std::string& address, int port = 80) {
    sockaddr_storage storage{};
    auto& four = reinterpret_cast<sockaddr_in&>(storage);
    auto& six = reinterpret_cast<sockaddr_in6&>(storage);
    if (::inet_pton(AF_INET, address.c_str(), &four.sin_addr) == 1)
        four.sin_family = AF_INET;
    else if (::inet_pton(AF_INET6, address.c_str(), &six.sin6_addr) == 1)
        six.sin6_family = AF_INET6;
    four.sin_port = htons(static_cast<std::uint16_t>(port));
    return RemoteAddresses(url).refusal(reinterpret_cast<const sockaddr&>(storage));
}

TEST(RemoteAddresses, no_url_leads_to_a_machines_metadata) {
    for (const char* url : {"http://example.com/x", "http://localhost/x", "http://169.254.169.254/x"})
        for (const char* address : {"169.254.169.254", "169.254.0.1", "fe80::1", "::ffff:169.254.169.254"})
            EXPECT_EQ(refused(url, address), "it leads to a link-local address, which nothing is fetched from")
                << url << " " << address;
    for (const char* address :
         {"0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "ff02::1", "::ffff:0.0.0.0"})
        EXPECT_NE(refused("http://localhost/x", address), "") << address;
    for (const char* address : {"192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1"})
        EXPECT_EQ(refused("http://example.com/x", address), "") << address;
}

TEST(RemoteAddresses, loopback_is_for_those_who_name_it) {
    for (const char* url :
         {"http://localhost:8000/x", "https://LOCALHOST/", "http://a.localhost/x", "http://127.0.0.1/x",
          "http://127.9.9.9:1/", "http://[::1]:80/x", "http://0x7f.1/x", "http://user:secret@localhost/x"})
        for (const char* address : {"127.0.0.1", "::1", "::ffff:127.0.0.1"})
            EXPECT_EQ(refused(url, address), "") << url << " " << address;
    for (const char* url : {"http://example.com/x", "http://localhost.example.com/x", "http://127.0.0.1.example.com/x",
                            "http://localhost@example.com/x", "http://example.com/localhost", "http://192.0.2.1/x",
                            "git@example.com:x", ""})
        for (const char* address : {"127.0.0.1", "127.1.1.1", "::1", "::ffff:127.0.0.1"})
            EXPECT_EQ(refused(url, address), "it leads to this machine, which only a URL that names localhost may")
                << url << " " << address;
}

TEST(RemoteAddresses, a_proxy_on_this_machine_is_dialled) {
    ::setenv("http_proxy", "127.0.0.1:3128", 1);
    EXPECT_EQ(refused("http://example.com/x", "127.0.0.1", 3128), "");
    EXPECT_NE(refused("http://example.com/x", "127.0.0.1", 80), "");
    EXPECT_NE(refused("http://example.com/x", "169.254.169.254", 3128), "");
    ::unsetenv("http_proxy");
    EXPECT_NE(refused("http://example.com/x", "127.0.0.1", 3128), "");
}

}  // namespace
}  // namespace gantry::build
