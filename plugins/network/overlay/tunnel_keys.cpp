// This host's keys for the ways of its encrypted networks.
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <cstring>
#include <memory>

#include <gantry/driver.hpp>

#include "plugins/network/overlay/base64.hpp"
#include "plugins/network/overlay/host_identity.hpp"
#include "plugins/network/overlay/tunnel.hpp"

namespace gantry::overlay {
namespace {

using netlink::WireguardKey;

std::string keys_file(const std::string& directory, const std::string& id) {
    return directory + "/" + id + ".wireguard";
}

std::string key_text(const WireguardKey& key) {
    return to_base64({reinterpret_cast<const char*>(key.data()), key.size()});
}

}  // namespace

Result<WireguardKey> public_key_of(const WireguardKey& secret) {
    struct Free {
        void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    };
    std::unique_ptr<EVP_PKEY, Free> pair(
        EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, secret.data(), secret.size()));
    WireguardKey result{};
    std::size_t size = result.size();
    if (!pair || EVP_PKEY_get_raw_public_key(pair.get(), result.data(), &size) != 1 || size != result.size())
        return fail(Code::internal, "X25519: no public key");
    return result;
}

std::optional<WireguardKey> parse_key(const std::string& base64) {
    const auto bytes = from_base64(base64);
    WireguardKey key{};
    if (!bytes || bytes->size() != key.size()) return std::nullopt;
    std::memcpy(key.data(), bytes->data(), key.size());
    return key;
}

std::string tunnel_address(const WireguardKey& public_key) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_Digest(public_key.data(), public_key.size(), digest, nullptr, EVP_sha256(), nullptr);
    in6_addr address{};
    address.s6_addr[0] = 0xfe;
    address.s6_addr[1] = 0x80;
    std::memcpy(address.s6_addr + 8, digest, 8);
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET6, &address, text, sizeof text);
    return text;
}

Result<void> keep_tunnel_keys(const std::string& directory, const std::string& id, const TunnelKeys& keys) {
    return replace_file(keys_file(directory, id), Json{{"secret", key_text(keys.secret)}, {"port", keys.port}}.dump());
}

void drop_tunnel_keys(const std::string& directory, const std::string& id) {
    (void)::unlink(keys_file(directory, id).c_str());
}

Result<TunnelKeys> tunnel_keys(const std::string& directory, const std::string& id) {
    TunnelKeys keys;
    auto text = read_small_file(keys_file(directory, id));
    if (!text && text.error().code != Code::not_found) return std::move(text).error();
    if (text) {
        const Json json = Json::parse(*text, nullptr, false);
        auto secret = json.is_object() ? parse_key(member<std::string>(json, "secret")) : std::nullopt;
        if (!secret)
            return fail(Code::corrupt,
                        "\"" + keys_file(directory, id) + "\" is damaged: remove it, and this host gets new keys");
        keys.secret = *secret;
        keys.port = member<std::uint16_t>(json, "port");
    } else if (RAND_priv_bytes(keys.secret.data(), static_cast<int>(keys.secret.size())) != 1) {
        return fail(Code::internal, "no random bytes for a key");
    } else {
        GANTRY_CHECK(keep_tunnel_keys(directory, id, keys));
    }
    GANTRY_TRY(const WireguardKey public_key, public_key_of(keys.secret));
    keys.public_key = key_text(public_key);
    return keys;
}

}  // namespace gantry::overlay
