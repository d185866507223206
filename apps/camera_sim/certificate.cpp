#include "apps/camera_sim/certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

namespace lookback::camera_sim {
namespace {

constexpr long kBackdateSeconds = 60;
constexpr long kLifeSeconds = 86'400;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};

auto Refuse(const std::string& what) { return Fail(Code::kUnavailable, "--tls: " + what); }

}  // namespace

Result<GTlsCertificate*> MakeCertificate(const std::string& host) {
  const std::unique_ptr<EVP_PKEY, Free> key(EVP_EC_gen("P-256"));
  const std::unique_ptr<X509, Free> certificate(X509_new());
  const std::unique_ptr<BIO, Free> pem(BIO_new(BIO_s_mem()));
  if (!key || !certificate || !pem) return Refuse("OpenSSL makes no key");
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kBackdateSeconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kLifeSeconds);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(host.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0 ||
      PEM_write_bio_X509(pem.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return Refuse("OpenSSL makes no certificate");
  }
  std::string text(BIO_ctrl_pending(pem.get()), '\0');
  BIO_read(pem.get(), text.data(), static_cast<int>(text.size()));
  GError* error = nullptr;
  GTlsCertificate* made =
      g_tls_certificate_new_from_pem(text.data(), static_cast<gssize>(text.size()), &error);
  if (made != nullptr) return made;
  const std::string why = error->message;
  g_error_free(error);
  return Refuse(why);
}

}  // namespace lookback::camera_sim
