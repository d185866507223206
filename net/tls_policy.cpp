#include "net/tls_policy.h"

#include <algorithm>

namespace lookback::net {
namespace {

constexpr std::string_view kPinPrefix = "pin:";

}  // namespace

Result<TlsPolicy> TlsPolicy::Parse(std::string_view text) {
  TlsPolicy policy;
  if (text.empty() || text == "verify") return policy;
  if (text == "insecure") {
    policy.check = Check::kInsecure;
    return policy;
  }
  Bytes digest;
  if (text.substr(0, kPinPrefix.size()) == kPinPrefix) {
    std::string digits(text.substr(kPinPrefix.size()));
    std::erase(digits, ':');
    for (char& c : digits) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    if (HexDecode(digits, digest) && digest.size() == policy.pin.size()) {
      std::copy(digest.begin(), digest.end(), policy.pin.begin());
      policy.check = Check::kPin;
      return policy;
    }
  }
  return Fail(Code::kInvalid,
              "TLS: say \"verify\", \"insecure\", or \"pin:\" and the SHA-256 fingerprint of the "
              "certificate, 64 hex digits");
}

std::string TlsPolicy::text() const {
  switch (check) {
    case Check::kVerify:
      return "verify";
    case Check::kPin:
      return std::string(kPinPrefix) + FingerprintText(pin);
    case Check::kInsecure:
      return "insecure";
  }
  return {};
}

std::string FingerprintText(const Sha256Digest& digest) {
  std::string text;
  for (const uint8_t byte : digest) {
    if (!text.empty()) text += ':';
    for (const char c : HexEncode({&byte, 1})) {
      text += c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
    }
  }
  return text;
}

}  // namespace lookback::net
