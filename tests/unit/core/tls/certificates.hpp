// Certificates for tests, made on the spot: a CA of their own, and what it signed.
#pragma once
#include <string>

namespace gantry::tls::test {

struct Identity {
    std::string certificate, key;  // files
};

class Authority {
public:
    // Files beneath `directory`, which is there.
    explicit Authority(std::string directory, const std::string& name = "ca");
    ~Authority();
    Authority(const Authority&) = delete;
    Authority& operator=(const Authority&) = delete;
    const std::string& file() const { return file_; }
    // `names`: "DNS:box,IP:127.0.0.1", or "" for a client.
    Identity sign(const std::string& name, const std::string& names);

private:
    struct Impl;
    std::string directory_, file_;
    Impl* impl_;
};

}  // namespace gantry::tls::test
