#include "core/image/digest.hpp"

#include <openssl/evp.h>

#include "core/base/text.hpp"

namespace gantry::image {

struct Sha256::Context {
    EVP_MD_CTX* evp = EVP_MD_CTX_new();
    Context() = default;
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ~Context() { EVP_MD_CTX_free(evp); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
    // Looked up once: fetching an algorithm costs more than hashing a small blob.
    static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    EVP_DigestInit_ex(context_->evp, algorithm, nullptr);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) { EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size()); }

std::string Sha256::finish() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_DigestFinal_ex(context_->evp, digest, &length);
    return "sha256:" + to_hex(std::string(digest, digest + length));
}

std::string digest_of(std::string_view bytes) {
    Sha256 hash;
    hash.update(bytes);
    return hash.finish();
}

bool valid_digest(std::string_view text) {
    if (text.size() != 71 || !text.starts_with("sha256:")) return false;
    return std::all_of(text.begin() + 7, text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string chain_id(std::string_view below, std::string_view diff_id) {
    if (below.empty()) return std::string(diff_id);
    return digest_of(std::string(below) + " " + std::string(diff_id));
}

}  // namespace gantry::image
