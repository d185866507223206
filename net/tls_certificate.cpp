#include "net/tls_certificate.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <array>

#include "base/log.h"

namespace lookback::net {
namespace {

// Forward secrecy and authenticated encryption alone (RFC 9113 §9.2.2 forbids
// the others to HTTP/2).
constexpr const char* kTls12Ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr std::string_view kProtocols = "\x02h2\x08http/1.1";  // In the order of preference.
constexpr int kMaxChain = 16;  // Certificates between ours and the authority.

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreeX509 {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Certificate = std::unique_ptr<X509, FreeX509>;

std::string TakeReason() {
  const unsigned long first = ERR_get_error();
  ERR_clear_error();
  const char* reason = first == 0 ? nullptr : ERR_reason_error_string(first);
  return reason ? reason : "unknown format";
}

// Instead of a question on the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

int ChooseProtocol(SSL*, const unsigned char** out, unsigned char* out_length,
                   const unsigned char* offered, unsigned offered_length, void*) {
  unsigned char* chosen = nullptr;
  const auto* ours = reinterpret_cast<const unsigned char*>(kProtocols.data());
  const int found = SSL_select_next_proto(
      &chosen, out_length, ours, static_cast<unsigned>(kProtocols.size()), offered, offered_length);
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

std::unique_ptr<BIO, FreeBio> BioOf(const Bytes& bytes) {
  return std::unique_ptr<BIO, FreeBio>(
      BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

Status UseChain(SSL_CTX* context, BIO* bio, const std::string& path) {
  for (int i = 0;; ++i) {
    X509* next = PEM_read_bio_X509(bio, nullptr, NoPassword, nullptr);
    if (next == nullptr) {
      if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        return Fail(Code::kInvalid, fmt::format("{}: a certificate of the chain cannot be read: {}",
                                                path, TakeReason()));
      }
      ERR_clear_error();  // The end of the file.
      return Ok();
    }
    // The context owns it from here on, if it takes it.
    if (i >= kMaxChain || SSL_CTX_add0_chain_cert(context, next) != 1) {
      X509_free(next);
      return Fail(Code::kInvalid, fmt::format("{}: a chain has at most {} certificates besides "
                                              "the server's own",
                                              path, kMaxChain));
    }
  }
}

}  // namespace

TlsCertificate::TlsCertificate(FileSystem& files, const Clock& clock, Files paths)
    : files_(files), clock_(clock), paths_(std::move(paths)) {}

Result<std::shared_ptr<TlsCertificate>> TlsCertificate::Open(FileSystem& files, const Clock& clock,
                                                             Files paths) {
  std::shared_ptr<TlsCertificate> made(new TlsCertificate(files, clock, std::move(paths)));
  LB_TRY_ASSIGN(pem, made->Read(made->paths_));
  LB_TRY_ASSIGN(context, made->Build(made->paths_, pem));
  made->seen_ = std::move(pem);
  made->context_ = std::move(context);
  return made;
}

Result<TlsCertificate::Pem> TlsCertificate::Read(const Files& paths) const {
  auto certificate = ReadFile(files_, paths.certificate, kMaxPemBytes);
  if (!certificate) return Pass(certificate.error(), "the TLS certificate");
  auto key = ReadFile(files_, paths.key, kMaxPemBytes);
  if (!key) return Pass(key.error(), "the TLS key");
  return Pem{std::move(*certificate), std::move(*key)};
}

Result<std::shared_ptr<SSL_CTX>> TlsCertificate::Build(const Files& paths, const Pem& pem) const {
  ERR_clear_error();
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  LB_CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  LB_CHECK(SSL_CTX_set_cipher_list(context.get(), kTls12Ciphers) == 1);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);  // Idle connections cost little.
  // Sessions are resumed by tickets, which the client keeps, so that nothing here grows.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context.get(), ChooseProtocol, nullptr);

  const auto chain = BioOf(pem.certificate);
  const Certificate own(PEM_read_bio_X509_AUX(chain.get(), nullptr, NoPassword, nullptr));
  if (!own || SSL_CTX_use_certificate(context.get(), own.get()) != 1) {
    return Fail(Code::kInvalid, fmt::format("{}: no certificate in PEM that can be used: {}",
                                            paths.certificate, TakeReason()));
  }
  LB_TRY(UseChain(context.get(), chain.get(), paths.certificate));
  const std::unique_ptr<EVP_PKEY, FreeKey> key(
      PEM_read_bio_PrivateKey(BioOf(pem.key).get(), nullptr, NoPassword, nullptr));
  if (!key) {
    const bool locked = AsText(ByteSpan(pem.key)).find("ENCRYPTED") != std::string_view::npos;
    const std::string reason = TakeReason();
    return Fail(Code::kInvalid,
                locked ? fmt::format("{}: the key is locked with a password; a server takes one "
                                     "without (openssl pkey -in FILE -out FILE)",
                                     paths.key)
                       : fmt::format("{}: no private key in PEM: {}", paths.key, reason));
  }
  if (X509_check_private_key(own.get(), key.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
    ERR_clear_error();
    return Fail(Code::kInvalid, fmt::format("{} is not the key of the certificate in {}", paths.key,
                                            paths.certificate));
  }
  tm expires{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(own.get()), &expires) != 1) {
    ERR_clear_error();
    return Fail(Code::kInvalid,
                fmt::format("{}: when the certificate expires is not a time", paths.certificate));
  }
  if (timegm(&expires) < clock_.NowUs() / kUsPerSecond) {
    LogWarning("tls", fmt::format("{}: the certificate has expired; clients will refuse it",
                                  paths.certificate));
  }
  return context;
}

Status TlsCertificate::Use(Files paths) {
  const std::lock_guard lock(reloading_);
  LB_TRY_ASSIGN(pem, Read(paths));
  LB_TRY_ASSIGN(context, Build(paths, pem));
  paths_ = std::move(paths);
  seen_ = std::move(pem);
  complained_.clear();
  const std::lock_guard exchange(mutex_);
  context_ = std::move(context);
  return Ok();
}

bool TlsCertificate::Reload() {
  const std::lock_guard lock(reloading_);
  const auto complain = [this](const std::string& why) {
    if (why == complained_) return;
    complained_ = why;
    LogError("tls", fmt::format("the new certificate is not taken, the old one stays: {}", why));
  };
  auto pem = Read(paths_);
  if (!pem) {
    complain(pem.message());
    seen_ = {};  // Once they can be read again, they are looked at again.
    return false;
  }
  if (*pem == seen_) return false;
  seen_ = std::move(*pem);
  auto context = Build(paths_, seen_);
  if (!context) {
    complain(context.message());
    return false;
  }
  complained_.clear();
  {
    const std::lock_guard exchange(mutex_);
    context_ = std::move(*context);
  }
  LogInfo("tls", fmt::format("new connections get the new certificate of {}", paths_.certificate));
  return true;
}

TimeUs TlsCertificate::ExpiresUs() const {
  tm expires{};
  const std::shared_ptr<SSL_CTX> shown = context();  // Reload() may let go of it meanwhile.
  const X509* const own = SSL_CTX_get0_certificate(shown.get());
  LB_CHECK(ASN1_TIME_to_tm(X509_get0_notAfter(own), &expires) == 1);
  return static_cast<TimeUs>(timegm(&expires)) * kUsPerSecond;
}

TlsCertificate::Files TlsCertificate::paths() const {
  const std::lock_guard lock(reloading_);
  return paths_;
}

std::string TlsCertificate::Trouble() const {
  const std::lock_guard lock(reloading_);
  return complained_;
}

std::shared_ptr<SSL_CTX> TlsCertificate::context() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

}  // namespace lookback::net
