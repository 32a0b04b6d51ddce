#include "certificates.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>

namespace gantry::tls::test {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

EVP_PKEY* new_key() { return ::EVP_EC_gen("P-256"); }

X509* new_certificate(EVP_PKEY* key, const std::string& name, X509_NAME* issuer, long serial) {
    X509* certificate = ::X509_new();
    ::X509_set_version(certificate, X509_VERSION_3);
    ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate), serial);
    ::X509_gmtime_adj(::X509_getm_notBefore(certificate), -60);
    ::X509_gmtime_adj(::X509_getm_notAfter(certificate), 3600);
    ::X509_set_pubkey(certificate, key);
    X509_NAME* subject = ::X509_get_subject_name(certificate);
    ::X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1,
                                 -1, 0);
    ::X509_set_issuer_name(certificate, issuer ? issuer : subject);
    return certificate;
}

void extend(X509* certificate, int which, const std::string& value) {
    X509_EXTENSION* extension = ::X509V3_EXT_conf_nid(nullptr, nullptr, which, value.c_str());
    ASSERT_TRUE(extension) << value;
    ::X509_add_ext(certificate, extension, -1);
    ::X509_EXTENSION_free(extension);
}

void write_certificate(const std::string& path, X509* certificate) {
    File file(std::fopen(path.c_str(), "we"), &std::fclose);
    ASSERT_TRUE(file);
    ASSERT_EQ(::PEM_write_X509(file.get(), certificate), 1);
}

}  // namespace

struct Authority::Impl {
    EVP_PKEY* key = nullptr;
    X509* certificate = nullptr;
    long serial = 1;
};

Authority::Authority(std::string directory, const std::string& name)
    : directory_(std::move(directory)), file_(directory_ + "/" + name + ".pem"), impl_(new Impl) {
    impl_->key = new_key();
    impl_->certificate = new_certificate(impl_->key, name, nullptr, impl_->serial);
    extend(impl_->certificate, NID_basic_constraints, "critical,CA:TRUE");
    ::X509_sign(impl_->certificate, impl_->key, ::EVP_sha256());
    write_certificate(file_, impl_->certificate);
}

Authority::~Authority() {
    ::X509_free(impl_->certificate);
    ::EVP_PKEY_free(impl_->key);
    delete impl_;
}

Identity Authority::sign(const std::string& name, const std::string& names) {
    const std::string base = directory_ + "/" + name;
    Identity identity{base + "-cert.pem", base + "-key.pem"};
    EVP_PKEY* key = new_key();
    X509* certificate = new_certificate(key, name, ::X509_get_subject_name(impl_->certificate), ++impl_->serial);
    if (!names.empty()) extend(certificate, NID_subject_alt_name, names);
    ::X509_sign(certificate, impl_->key, ::EVP_sha256());
    write_certificate(identity.certificate, certificate);
    File file(std::fopen(identity.key.c_str(), "we"), &std::fclose);
    EXPECT_EQ(::PEM_write_PrivateKey(file.get(), key, nullptr, nullptr, 0, nullptr, nullptr), 1);
    ::X509_free(certificate);
    ::EVP_PKEY_free(key);
    return identity;
}

}  // namespace gantry::tls::test
