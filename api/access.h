// api/access.h: who may come in: tokens, each of one person; and the passwords of cameras.
//
// Invariant: a token is 256 random bits and kept only as its SHA-256; what is in the two secret
//            files is in no ledger, log or answer. A file that is missing or torn is an error at
//            start, never an open door.
// Threads:   any.
// Errors:    kCorrupt for a file that cannot be read as what it should be; of the file system.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "storage/store.h"

namespace lookback::api {

inline constexpr size_t kMaxTokensAPerson = 16;
inline constexpr int64_t kSessionUs = 12 * kUsPerHour;
inline constexpr size_t kMaxSessionsAPerson = 16;         // One more ends the oldest.
inline constexpr std::string_view kTokenPrefix = "lbk_";  // So that a scanner knows a leaked one.
inline constexpr std::string_view kAdminName = "admin";

class Tokens {
 public:
  // Reads <data>/secrets/tokens.json. When it does not exist: an empty set for a store that has
  // `no_persons` yet, else kNotFound.
  static Result<std::unique_ptr<Tokens>> Open(const std::string& data, FileSystem& files,
                                              bool no_persons);

  // The person whose token this is. Takes as long for a wrong one as for a right one.
  std::optional<std::string> PersonOf(std::string_view token) const;
  // A new token, on disk as its hash when this returns. kConflict at kMaxTokensAPerson.
  Result<std::string> Issue(const std::string& person, TimeUs now_us);
  // All of a person's tokens are gone when this returns.
  Status Revoke(const std::string& person);
  size_t CountOf(const std::string& person) const;

  // A second secret for who has a token, where no header can be sent: it opens the door for
  // kSessionUs, as long as the token does, and until a restart. It is kept in memory alone, as its
  // hash. Nothing when the token opens none.
  std::optional<std::string> BeginSession(std::string_view token, int64_t monotonic_us);
  std::optional<std::string> PersonOfSession(std::string_view session, int64_t monotonic_us) const;
  void EndSession(std::string_view session);

 private:
  struct Token {
    std::string person;
    Sha256Digest sha256{};
    TimeUs created_us = 0;
  };
  struct Session {
    Sha256Digest sha256{};
    Sha256Digest token{};
    std::string person;
    int64_t until_us = 0;  // Monotonic.
  };

  Tokens(std::string path, FileSystem& files) : path_(std::move(path)), files_(files) {}
  Status Write(const std::vector<Token>& tokens) const;
  const Token* Find(const Sha256Digest& sha256) const;

  const std::string path_;
  FileSystem& files_;
  mutable std::mutex mutex_;
  std::vector<Token> tokens_;
  std::vector<Session> sessions_;  // Oldest first.
};

class CameraSecrets {
 public:
  // Reads <data>/secrets/cameras.json; none is no error: cameras may have no password.
  static Result<std::unique_ptr<CameraSecrets>> Open(const std::string& data, FileSystem& files);

  std::string PasswordOf(const CameraId& camera) const;  // Empty: none.
  // On disk when this returns. An empty password removes it.
  Status Set(const CameraId& camera, const std::string& password);
  Status Set(const std::map<CameraId, std::string>& passwords);  // All of them, or none.

 private:
  CameraSecrets(std::string path, FileSystem& files) : path_(std::move(path)), files_(files) {}

  const std::string path_;
  FileSystem& files_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> passwords_;
};

// At the first start of a store: makes the person `admin`, and writes a token of theirs to
// `token_file` (mode 0600). Later it does nothing, unless `anew`: then `admin` gets a new token, in
// place of all that they had, also where the tokens are lost. True when it wrote one.
Result<bool> EnsureAdmin(storage::Store& store, Clock& clock, FileSystem& files,
                         const std::string& token_file, bool anew = false);

}  // namespace lookback::api
