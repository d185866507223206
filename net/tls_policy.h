// net/tls_policy.h: whom a TLS client believes.
//
// "verify":      the certificate must be issued by an authority that this machine trusts, for the
//                host that was asked for. The default.
// "pin:SHA256":  it must be the one certificate with that SHA-256 fingerprint (64 hex digits,
//                colons allowed). For the self-signed certificates that most cameras have.
// "insecure":    any certificate: nobody can listen, but anybody can pretend to be the camera.
//
// Threads:   values.
// Errors:    kInvalid for other words.
#pragma once

#include <string>
#include <string_view>

#include "base/checksum.h"
#include "base/result.h"

namespace lookback::net {

struct TlsPolicy {
  enum class Check : uint8_t { kVerify, kPin, kInsecure };
  Check check = Check::kVerify;
  Sha256Digest pin{};

  // Empty text is "verify".
  static Result<TlsPolicy> Parse(std::string_view text);
  // As Parse takes it: one text for one policy.
  std::string text() const;
};

// "AB:CD:...", as `openssl x509 -fingerprint -sha256` and browsers print it.
std::string FingerprintText(const Sha256Digest& digest);

}  // namespace lookback::net
