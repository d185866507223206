// recorder/rtsp_auth.h: answers a server's challenge: Digest with SHA-256 or MD5 (RFC 7616, RFC
// 2617, with and without qop), and Basic (RFC 7617).
//
// Invariant: a password leaves only as Basic asks for it, and only when the server offers nothing
//            better. Nothing of it is in a message or a log.
// Threads:   one authenticator, one thread.
// Errors:    kDenied when there is nothing to answer with; kUnsupported when the server asks in a
//            way that is not known here. Safe on hostile bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lookback::recorder {

// One challenge of a WWW-Authenticate header.
struct AuthChallenge {
  struct Parameter {
    std::string name;
    std::string value;
  };
  std::string scheme;
  std::vector<Parameter> parameters;

  std::string_view Find(std::string_view name) const;
};

// A header may hold several challenges, and their parameters share its commas.
std::vector<AuthChallenge> ParseChallenges(std::string_view header);

class RtspAuth {
 public:
  // `make_cnonce` gives a fresh client nonce for each use.
  RtspAuth(std::string user, std::string password, std::function<std::string()> make_cnonce);

  // Takes the WWW-Authenticate headers of a 401 and keeps the best challenge that can be answered.
  Status Challenge(const std::vector<std::string_view>& headers);

  // The Authorization header's value for a request; empty before a challenge.
  std::string Authorize(std::string_view method, std::string_view url);

 private:
  enum class Scheme : uint8_t { kNone, kBasic, kDigestMd5, kDigestSha256 };

  static Scheme SchemeOf(const AuthChallenge& challenge);
  std::string Hash(std::string_view text) const;
  std::string Digest(std::string_view method, std::string_view url);

  const std::string user_;
  const std::string password_;
  const std::function<std::string()> make_cnonce_;
  Scheme scheme_ = Scheme::kNone;
  AuthChallenge challenge_;
  uint32_t nonce_count_ = 0;
};

}  // namespace lookback::recorder
