#include "apps/lookback/export_directory.h"

#include <fmt/format.h>

#include "apps/lookback/api_client.h"
#include "base/checksum.h"

namespace lookback::app {
namespace {

constexpr size_t kPieceBytes = 1 << 20;
constexpr size_t kDigestLetters = 64;
constexpr std::string_view kBetween = "  ";  // As sha256sum writes it.

// Whole lines alone: the last one may be torn.
std::map<std::string, std::string> ReadManifest(std::string_view text) {
  std::map<std::string, std::string> files;
  while (true) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return files;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.size() <= kDigestLetters + kBetween.size() ||
        line.substr(kDigestLetters, kBetween.size()) != kBetween) {
      continue;
    }
    files[std::string(line.substr(kDigestLetters + kBetween.size()))] =
        line.substr(0, kDigestLetters);
  }
}

}  // namespace

Result<std::string> DigestFile(FileSystem& files, const std::string& path) {
  LB_TRY_ASSIGN(file, files.Open(path, OpenMode::kRead));
  Sha256Hasher hasher;
  Bytes piece(kPieceBytes);
  for (uint64_t at = 0;;) {
    LB_TRY_ASSIGN(count, file->ReadAt(at, piece));
    if (count == 0) return HexEncode(hasher.Finish());
    hasher.Update(ByteSpan(piece).first(count));
    at += count;
  }
}

Result<std::optional<Json>> ExportDirectory::Look() {
  const auto there = files_.Stat(path_);
  if (!there && there.code() == Code::kNotFound) return std::optional<Json>();
  if (!there) return Pass(there.error());
  if (!there->is_directory) return Fail(Code::kConflict, path_ + " is not a directory");
  LB_TRY_ASSIGN(entries, files_.List(path_));
  if (entries.empty()) return std::optional<Json>();
  // One that ended before the request was written down began nothing.
  if (entries.size() == 1 && entries.front().name == "meta" && entries.front().is_directory) {
    LB_TRY_ASSIGN(meta, files_.List(PathOf("meta")));
    const std::string unfinished = PathOf(kRequestFile).substr(PathOf("meta/").size()) + ".new";
    if (meta.empty() || (meta.size() == 1 && meta.front().name == unfinished)) {
      return std::optional<Json>();
    }
  }
  if (Exists(files_, PathOf(kManifest))) {
    return Fail(Code::kConflict, path_ + " holds a finished export; name another directory");
  }
  const auto request = ReadFile(files_, PathOf(kRequestFile), kMaxRequestBytes);
  auto json = request ? ParseJson(AsText(*request)) : Result<Json>(Pass(request.error()));
  if (!json) {
    return Fail(
        Code::kConflict,
        path_ + " holds something else than an export; name an empty directory, or a new one");
  }
  return std::optional(*std::move(json));
}

Status ExportDirectory::Begin(const Json& request) {
  LB_TRY(files_.MakeDirectories(PathOf("meta")));
  const std::string text = request.dump(2) + "\n";
  return Write(std::string(kRequestFile), text);
}

Status ExportDirectory::Resume() {
  const auto text = ReadFile(files_, PathOf(kPartialManifest), kMaxManifestBytes);
  if (!text && text.code() != Code::kNotFound) return Pass(text.error());
  if (text) before_ = ReadManifest(AsText(*text));
  return Ok();
}

Status ExportDirectory::MakeFolderOf(std::string_view file) {
  return files_.MakeDirectories(PathOf(file.substr(0, file.rfind('/'))));
}

std::optional<std::string> ExportDirectory::Kept(const std::string& file, uint64_t bytes) {
  const auto found = before_.find(file);
  if (found == before_.end()) return std::nullopt;
  const auto info = files_.Stat(PathOf(file));
  if (info && info->size == bytes) {
    const auto digest = DigestFile(files_, PathOf(file));
    if (digest && *digest == found->second) {
      finished_[file] = *digest;
      return *digest;
    }
  }
  // Not what it was: it is brought again.
  (void)files_.Remove(PathOf(file));
  return std::nullopt;
}

Status ExportDirectory::Finished(const std::string& file, const std::string& sha256) {
  finished_[file] = sha256;
  const std::string path = PathOf(kPartialManifest);
  LB_TRY_ASSIGN(
      list, files_.Open(path, Exists(files_, path) ? OpenMode::kReadWrite : OpenMode::kCreateNew));
  LB_TRY_ASSIGN(size, list->Size());
  // A new line first: what is before it may be torn.
  const std::string line = (size == 0 ? "" : "\n") + api::ManifestLine(file, sha256);
  const ByteSpan bytes = AsBytes(line);
  LB_TRY(list->WriteAt(size, std::span<const ByteSpan>(&bytes, 1)));
  return list->Sync();
}

Status ExportDirectory::Write(const std::string& file, std::string_view text) {
  LB_TRY(WriteFileDurably(files_, PathOf(file), AsBytes(text)));
  return Finished(file, HexEncode(Sha256(AsBytes(text))));
}

Result<std::string> ExportDirectory::Seal() {
  std::string text;
  for (const auto& [file, sha256] : finished_) text += api::ManifestLine(file, sha256);
  LB_TRY(WriteFileDurably(files_, PathOf(kManifest), AsBytes(text)));
  LB_TRY(files_.Remove(PathOf(kPartialManifest)));
  return HexEncode(Sha256(AsBytes(text)));
}

}  // namespace lookback::app
