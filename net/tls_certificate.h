// net/tls_certificate.h: the certificate that a server shows, from two files, and anew when they
// change.
//
// Invariant: there is always a whole pair: a new one takes the place of the old only when its
//            certificate and key belong together. Connections keep the one that they began with.
// Threads:   every method on any.
// Errors:    a sentence that names the file and what is wrong with it. A pair that is bad at a
//            Reload() is logged, once for the same bytes, and the old one stays.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/result.h"

typedef struct ssl_ctx_st SSL_CTX;

namespace lookback::net {

inline constexpr uint64_t kMaxPemBytes = 1 << 20;
inline constexpr int64_t kCertificateLookUs = 10'000'000;  // How often a server calls Reload().

class TlsCertificate {
 public:
  struct Files {
    std::string certificate;  // PEM: the server's own, then those between it and the authority.
    std::string key;          // PEM, without a password.
  };

  // `files` and `clock` must outlive it.
  static Result<std::shared_ptr<TlsCertificate>> Open(FileSystem& files, const Clock& clock,
                                                      Files paths);

  // From now on it is these files that are looked at. An error leaves files and pair as they were.
  Status Use(Files paths);

  // Looks at the files; true when the pair was exchanged.
  bool Reload();

  // What new connections are made of: TLS 1.2 and 1.3, "h2" and "http/1.1" by ALPN.
  std::shared_ptr<SSL_CTX> context() const;
  // When clients will refuse it.
  TimeUs ExpiresUs() const;
  Files paths() const;
  // Why what stands in the files now was not taken; empty: it was.
  std::string Trouble() const;

 private:
  struct Pem {
    Bytes certificate;
    Bytes key;
    friend bool operator==(const Pem&, const Pem&) = default;
  };

  TlsCertificate(FileSystem& files, const Clock& clock, Files paths);
  Result<Pem> Read(const Files& paths) const;
  Result<std::shared_ptr<SSL_CTX>> Build(const Files& paths, const Pem& pem) const;

  FileSystem& files_;
  const Clock& clock_;
  mutable std::mutex reloading_;  // One Reload() or Use() at a time; guards the next three.
  Files paths_;
  Pem seen_;  // The newest bytes that were looked at, good or bad.
  std::string complained_;
  mutable std::mutex mutex_;  // Guards `context_`.
  std::shared_ptr<SSL_CTX> context_;
};

}  // namespace lookback::net
