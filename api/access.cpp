#include "api/access.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace lookback::api {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxSecretFileBytes = 16 << 20;
constexpr int kSecretsVersion = 1;

std::string SecretsDirectory(const std::string& data) { return JoinPath(data, "secrets"); }

Result<json> ReadSecrets(FileSystem& files, const std::string& path, const char* member) {
  LB_TRY_ASSIGN(bytes, ReadFile(files, path, kMaxSecretFileBytes));
  json document = json::parse(AsText(bytes), nullptr, /*allow_exceptions=*/false);
  const bool right = document.is_object() && document.value("version", 0) == kSecretsVersion &&
                     document.contains(member) && document[member].is_array();
  if (!right) {
    return Fail(Code::kCorrupt,
                path + " is damaged or of another version: put it back from a backup");
  }
  return std::move(document[member]);
}

Status WriteSecrets(FileSystem& files, const std::string& path, const char* member, json list) {
  const json document = {{"version", kSecretsVersion}, {member, std::move(list)}};
  return WriteFileDurably(files, path, AsBytes(document.dump(1) + "\n"), OpenMode::kSecret);
}

Status BadEntry(const std::string& path) {
  return Fail(Code::kCorrupt, path + " has an entry that is not one: put it back from a backup");
}

// A text member of an entry; empty when it is none.
std::string TextOf(const json& entry, const char* name) {
  const auto found = entry.is_object() ? entry.find(name) : entry.end();
  return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Takes as long for another digest as for the same.
bool IsSame(const Sha256Digest& a, const Sha256Digest& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string RandomText() {
  std::array<uint8_t, 32> random{};
  RandomBytes(random);
  return HexEncode(random);
}

}  // namespace

Result<std::unique_ptr<Tokens>> Tokens::Open(const std::string& data, FileSystem& files,
                                             bool no_persons) {
  LB_TRY(files.MakeDirectories(SecretsDirectory(data), 0700));
  std::unique_ptr<Tokens> tokens(
      new Tokens(JoinPath(SecretsDirectory(data), "tokens.json"), files));
  if (!Exists(files, tokens->path_)) {
    if (no_persons) return tokens;
    return Fail(Code::kNotFound, tokens->path_ +
                                     " is missing, so nobody could log in: put it back from a "
                                     "backup, or let `lookback serve "
                                     "--new-admin-token` make one of admin");
  }
  LB_TRY_ASSIGN(list, ReadSecrets(files, tokens->path_, "tokens"));
  for (const json& entry : list) {
    Token token;
    Bytes digest;
    token.person = TextOf(entry, "person");
    const auto created = ParseTime(TextOf(entry, "created"));
    if (token.person.empty() || !created || !HexDecode(TextOf(entry, "sha256"), digest) ||
        digest.size() != token.sha256.size()) {
      return Pass(BadEntry(tokens->path_).error());
    }
    token.created_us = *created;
    std::copy(digest.begin(), digest.end(), token.sha256.begin());
    tokens->tokens_.push_back(std::move(token));
  }
  return tokens;
}

std::optional<std::string> Tokens::PersonOf(std::string_view token) const {
  const Sha256Digest asked = Sha256(AsBytes(token));
  const std::lock_guard lock(mutex_);
  const Token* const found = Find(asked);
  if (found == nullptr) return std::nullopt;
  return found->person;
}

const Tokens::Token* Tokens::Find(const Sha256Digest& sha256) const {
  const Token* found = nullptr;
  for (const Token& known : tokens_) {
    if (IsSame(known.sha256, sha256)) found = &known;
  }
  return found;
}

std::optional<std::string> Tokens::BeginSession(std::string_view token, int64_t monotonic_us) {
  const std::string text = RandomText();
  const Sha256Digest asked = Sha256(AsBytes(token));
  const std::lock_guard lock(mutex_);
  const Token* const known = Find(asked);
  if (known == nullptr) return std::nullopt;
  std::erase_if(sessions_, [&](const Session& session) {
    return session.until_us <= monotonic_us || Find(session.token) == nullptr;
  });
  const auto mine = [&](const Session& session) { return session.person == known->person; };
  if (static_cast<size_t>(std::count_if(sessions_.begin(), sessions_.end(), mine)) >=
      kMaxSessionsAPerson) {
    sessions_.erase(std::find_if(sessions_.begin(), sessions_.end(), mine));
  }
  sessions_.push_back({Sha256(AsBytes(text)), asked, known->person, monotonic_us + kSessionUs});
  return text;
}

std::optional<std::string> Tokens::PersonOfSession(std::string_view session,
                                                   int64_t monotonic_us) const {
  const Sha256Digest asked = Sha256(AsBytes(session));
  const std::lock_guard lock(mutex_);
  const Session* found = nullptr;
  for (const Session& known : sessions_) {
    if (IsSame(known.sha256, asked)) found = &known;
  }
  if (found == nullptr || found->until_us <= monotonic_us || Find(found->token) == nullptr) {
    return std::nullopt;
  }
  return found->person;
}

void Tokens::EndSession(std::string_view session) {
  const Sha256Digest asked = Sha256(AsBytes(session));
  const std::lock_guard lock(mutex_);
  std::erase_if(sessions_, [&](const Session& known) { return IsSame(known.sha256, asked); });
}

Result<std::string> Tokens::Issue(const std::string& person, TimeUs now_us) {
  const std::string text = std::string(kTokenPrefix) + RandomText();
  const std::lock_guard lock(mutex_);
  std::vector<Token> changed = tokens_;
  const auto mine = std::count_if(changed.begin(), changed.end(),
                                  [&](const Token& token) { return token.person == person; });
  if (static_cast<size_t>(mine) >= kMaxTokensAPerson) {
    return Fail(Code::kConflict, fmt::format("{} has {} tokens, the most a person may have: revoke "
                                             "them first",
                                             person, mine));
  }
  changed.push_back({person, Sha256(AsBytes(text)), now_us});
  LB_TRY(Write(changed));
  tokens_ = std::move(changed);
  return text;
}

Status Tokens::Revoke(const std::string& person) {
  const std::lock_guard lock(mutex_);
  std::vector<Token> changed = tokens_;
  std::erase_if(changed, [&](const Token& token) { return token.person == person; });
  LB_TRY(Write(changed));
  tokens_ = std::move(changed);
  return Ok();
}

size_t Tokens::CountOf(const std::string& person) const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count_if(
      tokens_.begin(), tokens_.end(), [&](const Token& token) { return token.person == person; }));
}

Status Tokens::Write(const std::vector<Token>& tokens) const {
  json list = json::array();
  for (const Token& token : tokens) {
    list.push_back({{"person", token.person},
                    {"sha256", HexEncode(token.sha256)},
                    {"created", FormatTime(token.created_us)}});
  }
  return WriteSecrets(files_, path_, "tokens", std::move(list));
}

Result<std::unique_ptr<CameraSecrets>> CameraSecrets::Open(const std::string& data,
                                                           FileSystem& files) {
  LB_TRY(files.MakeDirectories(SecretsDirectory(data), 0700));
  std::unique_ptr<CameraSecrets> secrets(
      new CameraSecrets(JoinPath(SecretsDirectory(data), "cameras.json"), files));
  if (!Exists(files, secrets->path_)) return secrets;
  LB_TRY_ASSIGN(list, ReadSecrets(files, secrets->path_, "cameras"));
  for (const json& entry : list) {
    const auto camera = CameraId::Parse(TextOf(entry, "camera"));
    if (!camera) return Pass(BadEntry(secrets->path_).error());
    secrets->passwords_[camera->text()] = TextOf(entry, "password");
  }
  return secrets;
}

std::string CameraSecrets::PasswordOf(const CameraId& camera) const {
  const std::lock_guard lock(mutex_);
  const auto found = passwords_.find(camera.text());
  return found == passwords_.end() ? std::string() : found->second;
}

Status CameraSecrets::Set(const CameraId& camera, const std::string& password) {
  return Set(std::map<CameraId, std::string>{{camera, password}});
}

Status CameraSecrets::Set(const std::map<CameraId, std::string>& passwords) {
  const std::lock_guard lock(mutex_);
  auto changed = passwords_;
  for (const auto& [camera, password] : passwords) {
    if (password.empty()) {
      changed.erase(camera.text());
    } else {
      changed[camera.text()] = password;
    }
  }
  if (changed == passwords_) return Ok();
  json list = json::array();
  for (const auto& [id, secret] : changed) list.push_back({{"camera", id}, {"password", secret}});
  LB_TRY(WriteSecrets(files_, path_, "cameras", std::move(list)));
  passwords_ = std::move(changed);
  return Ok();
}

Result<bool> EnsureAdmin(storage::Store& store, Clock& clock, FileSystem& files,
                         const std::string& token_file, bool anew) {
  LB_TRY_ASSIGN(persons, store.catalog().Persons());
  if (!persons.empty() && !anew) return false;
  // The person comes last: a start that was cut off before is a first start again.
  LB_TRY_ASSIGN(tokens, Tokens::Open(store.data(), files, /*no_persons=*/true));
  const std::string name(kAdminName);
  LB_TRY(tokens->Revoke(name));
  LB_TRY_ASSIGN(token, tokens->Issue(name, clock.NowUs()));
  LB_TRY(WriteFileDurably(files, token_file, AsBytes(token + "\n"), OpenMode::kSecret));
  index::Person admin;
  admin.name = name;
  admin.display_name = "Administrator";
  admin.admin = true;
  LB_TRY(store.journal().Commit({admin}));
  return true;
}

}  // namespace lookback::api
