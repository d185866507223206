#include "recorder/rtsp_auth.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "base/bytes.h"
#include "recorder/rtsp_message.h"

namespace lookback::recorder {
namespace {

constexpr size_t kMaxChallenges = 8;
constexpr size_t kMaxAuthParameters = 16;

bool IsTokenChar(char c) {
  constexpr std::string_view kSeparators = "()<>@,;:\\\"/[]?={} \t";
  return c > ' ' && c < 127 && kSeparators.find(c) == std::string_view::npos;
}

// The text of a header, taken piece by piece.
class HeaderCursor {
 public:
  explicit HeaderCursor(std::string_view text) : text_(text) {}

  void SkipSpacesAndCommas() {
    while (position_ < text_.size() && (IsSpace(text_[position_]) || text_[position_] == ',')) {
      ++position_;
    }
  }
  void SkipSpaces() {
    while (position_ < text_.size() && IsSpace(text_[position_])) ++position_;
  }
  bool AtEnd() const { return position_ >= text_.size(); }
  bool Take(char c) {
    if (AtEnd() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  std::string_view Token() {
    const size_t begin = position_;
    while (!AtEnd() && IsTokenChar(text_[position_])) ++position_;
    return text_.substr(begin, position_ - begin);
  }
  // A quoted string, or what stands up to the next comma.
  std::string Value() {
    std::string value;
    if (!Take('"')) {
      while (!AtEnd() && text_[position_] != ',') value += text_[position_++];
      return std::string(TrimSpace(value));
    }
    while (!AtEnd() && !Take('"')) {
      if (text_[position_] == '\\' && position_ + 1 < text_.size()) ++position_;
      value += text_[position_++];
    }
    return value;
  }
  void SkipOne() { ++position_; }

 private:
  static bool IsSpace(char c) { return c == ' ' || c == '\t'; }

  std::string_view text_;
  size_t position_ = 0;
};

std::string Quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

// Whether a comma-separated list has `word`.
bool ListHas(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    if (EqualsIgnoringCase(TrimSpace(list.substr(0, comma)), word)) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

bool EndsWithSess(std::string_view algorithm) {
  constexpr std::string_view kSess = "-sess";
  return algorithm.size() > kSess.size() &&
         EqualsIgnoringCase(algorithm.substr(algorithm.size() - kSess.size()), kSess);
}

}  // namespace

std::string_view AuthChallenge::Find(std::string_view name) const {
  for (const Parameter& parameter : parameters) {
    if (EqualsIgnoringCase(parameter.name, name)) return parameter.value;
  }
  return {};
}

std::vector<AuthChallenge> ParseChallenges(std::string_view header) {
  std::vector<AuthChallenge> challenges;
  HeaderCursor cursor(header);
  for (cursor.SkipSpacesAndCommas(); !cursor.AtEnd(); cursor.SkipSpacesAndCommas()) {
    const std::string_view token = cursor.Token();
    if (token.empty()) {
      cursor.SkipOne();
      continue;
    }
    cursor.SkipSpaces();
    if (!cursor.Take('=')) {
      if (challenges.size() == kMaxChallenges) break;
      challenges.push_back({std::string(token), {}});
      continue;
    }
    cursor.SkipSpaces();
    std::string value = cursor.Value();
    if (challenges.empty() || challenges.back().parameters.size() == kMaxAuthParameters) continue;
    challenges.back().parameters.push_back({std::string(token), std::move(value)});
  }
  return challenges;
}

RtspAuth::RtspAuth(std::string user, std::string password, std::function<std::string()> make_cnonce)
    : user_(std::move(user)),
      password_(std::move(password)),
      make_cnonce_(std::move(make_cnonce)) {}

RtspAuth::Scheme RtspAuth::SchemeOf(const AuthChallenge& challenge) {
  if (EqualsIgnoringCase(challenge.scheme, "Basic")) return Scheme::kBasic;
  if (!EqualsIgnoringCase(challenge.scheme, "Digest")) return Scheme::kNone;
  const std::string_view qop = challenge.Find("qop");
  if (challenge.Find("nonce").empty() || (!qop.empty() && !ListHas(qop, "auth"))) {
    return Scheme::kNone;
  }
  const std::string_view algorithm = challenge.Find("algorithm");
  if (algorithm.empty() || EqualsIgnoringCase(algorithm, "MD5") ||
      EqualsIgnoringCase(algorithm, "MD5-sess")) {
    return Scheme::kDigestMd5;
  }
  if (EqualsIgnoringCase(algorithm, "SHA-256") || EqualsIgnoringCase(algorithm, "SHA-256-sess")) {
    return Scheme::kDigestSha256;
  }
  return Scheme::kNone;
}

Status RtspAuth::Challenge(const std::vector<std::string_view>& headers) {
  if (user_.empty()) return Fail(Code::kDenied, "the camera asks for a user and a password");
  Scheme best = Scheme::kNone;
  for (const std::string_view header : headers) {
    for (AuthChallenge& challenge : ParseChallenges(header)) {
      const Scheme scheme = SchemeOf(challenge);
      if (scheme <= best) continue;
      best = scheme;
      challenge_ = std::move(challenge);
    }
  }
  scheme_ = best;
  nonce_count_ = 0;
  if (best != Scheme::kNone) return Ok();
  return Fail(Code::kUnsupported,
              "the camera asks for neither Basic nor Digest with MD5 or SHA-256");
}

std::string RtspAuth::Authorize(std::string_view method, std::string_view url) {
  if (scheme_ == Scheme::kNone) return {};
  if (scheme_ == Scheme::kBasic) return "Basic " + Base64Encode(AsBytes(user_ + ":" + password_));
  return Digest(method, url);
}

std::string RtspAuth::Hash(std::string_view text) const {
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  const EVP_MD* kind = scheme_ == Scheme::kDigestSha256 ? EVP_sha256() : EVP_md5();
  LB_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &length, kind, nullptr) == 1);
  return HexEncode({digest.data(), length});
}

std::string RtspAuth::Digest(std::string_view method, std::string_view url) {
  const std::string_view realm = challenge_.Find("realm");
  const std::string_view nonce = challenge_.Find("nonce");
  const std::string_view algorithm = challenge_.Find("algorithm");
  const std::string_view opaque = challenge_.Find("opaque");
  const bool qop = !challenge_.Find("qop").empty();
  const std::string cnonce = make_cnonce_();
  const std::string count = fmt::format("{:08x}", ++nonce_count_);

  std::string secret = Hash(fmt::format("{}:{}:{}", user_, realm, password_));
  if (EndsWithSess(algorithm)) secret = Hash(fmt::format("{}:{}:{}", secret, nonce, cnonce));
  const std::string request = Hash(fmt::format("{}:{}", method, url));
  const std::string response =
      qop ? Hash(fmt::format("{}:{}:{}:{}:auth:{}", secret, nonce, count, cnonce, request))
          : Hash(fmt::format("{}:{}:{}", secret, nonce, request));

  std::string value = fmt::format("Digest username={}, realm={}, nonce={}, uri={}, response=\"{}\"",
                                  Quote(user_), Quote(realm), Quote(nonce), Quote(url), response);
  if (!algorithm.empty()) value += fmt::format(", algorithm={}", algorithm);
  if (!opaque.empty()) value += ", opaque=" + Quote(opaque);
  if (qop) value += fmt::format(", qop=auth, nc={}, cnonce=\"{}\"", count, cnonce);
  if (!qop && EndsWithSess(algorithm)) value += fmt::format(", cnonce=\"{}\"", cnonce);
  return value;
}

}  // namespace lookback::recorder
