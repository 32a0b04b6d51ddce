// SHA-256 digests, streaming, and their text form "sha256:<64 hex>".
#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace gantry::image {

class Sha256 {
public:
    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    void update(std::string_view bytes);
    // "sha256:..." of all bytes so far; afterwards the object is done.
    std::string finish();

private:
    struct Context;
    std::unique_ptr<Context> context_;
};

std::string digest_of(std::string_view bytes);
// Exactly "sha256:" and 64 lower-case hex digits: the only digests that become part of a path.
bool valid_digest(std::string_view text);
// The hex digits of a valid digest.
inline std::string_view hex_of(std::string_view digest) { return digest.substr(7); }
// The key of a layer: "sha256:..." over the key of the one below and its own diff id (OCI image-spec, config.md).
std::string chain_id(std::string_view below, std::string_view diff_id);

}  // namespace gantry::image
