#include "apps/lookback/clip_fetch.h"

#include <fmt/format.h>

#include <optional>

namespace lookback::app {
namespace {

enum class Outcome : uint8_t {
  kWhole,
  kStale,   // The clip is another one now.
  kCut,     // Some bytes came.
  kBarren,  // An answer came, and not one byte: this clip cannot be sent further.
};

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

class Fetch {
 public:
  Fetch(ApiClient& api, FileSystem& files, const ClipOrder& order, const OnBytes& on_bytes)
      : api_(api),
        files_(files),
        order_(order),
        on_bytes_(on_bytes),
        part_(order.file + ".part"),
        state_(order.file + ".part.etag"),
        base_("/api/v1/cameras/" + PercentEncode(order.camera)),
        request_(WithQuery(base_ + "/clip.mp4", order.query)) {}

  Result<ClipReceipt> Run();

 private:
  std::optional<Json> KeptDescription();
  Result<ClipReceipt> Describe();
  Result<Outcome> Transfer(const Json& description);
  Status Finish(const Json& description);
  void Discard();

  uint64_t PartBytes() {
    const auto info = files_.Stat(part_);
    return info ? info->size : 0;
  }

  ApiClient& api_;
  FileSystem& files_;
  const ClipOrder& order_;
  const OnBytes& on_bytes_;
  const std::string part_;
  const std::string state_;
  const std::string base_;
  const std::string request_;
};

void Fetch::Discard() {
  // What is not there need not go, and what cannot go fails at the next open.
  (void)files_.Remove(state_);
  (void)files_.Remove(part_);
}

// Of the part that an earlier try left, when that try was for the same request.
std::optional<Json> Fetch::KeptDescription() {
  const auto bytes = ReadFile(files_, state_, kMaxDescriptionBytes);
  if (!bytes) return std::nullopt;
  auto kept = ParseJson(AsText(*bytes));
  if (!kept || TextOf(*kept, "request") != request_ || TextOf(*kept, "etag").empty()) {
    return std::nullopt;
  }
  const uint64_t part = PartBytes();
  const int64_t size = NumberOf(*kept, "size_bytes");
  const bool usable = part > 0 && size > 0 && part <= static_cast<uint64_t>(size) &&
                      (!order_.require_complete || NumberOf(*kept, "missing_us") == 0);
  return usable ? std::optional(std::move(*kept)) : std::nullopt;
}

// Asks what the clip would be, and keeps that beside the part to come.
Result<ClipReceipt> Fetch::Describe() {
  Discard();
  HttpAsk ask;
  ask.path = WithQuery(base_ + "/clip.json", order_.query);
  LB_TRY_ASSIGN(answer, api_.Send(ask));
  if (!answer.good()) {
    if (order_.require_complete && ProblemType(answer) == "no-footage") {
      LB_TRY_ASSIGN(problem, ParseJson(answer.body));
      Json nothing = {{"duration_us", 0}, {"missing", ListOf(problem, "missing")}};
      return ClipReceipt{std::move(nothing), false};
    }
    return tl::unexpected<Error>(ProblemIn(answer, api_.server()));
  }
  LB_TRY_ASSIGN(description, ParseJson(answer.body));
  if (TextOf(description, "etag").empty() || NumberOf(description, "size_bytes") <= 0) {
    return Fail(Code::kUnsupported, "the server describes no clip; is it of another version?");
  }
  if (order_.require_complete && NumberOf(description, "missing_us") > 0) {
    return ClipReceipt{std::move(description), false};
  }
  Json kept = description;
  kept["request"] = request_;
  const std::string text = kept.dump(-1, ' ', false, Json::error_handler_t::replace);
  LB_TRY(WriteFileDurably(files_, state_, AsBytes(text)));
  return ClipReceipt{std::move(description), true};
}

Result<Outcome> Fetch::Transfer(const Json& description) {
  const auto size = static_cast<uint64_t>(NumberOf(description, "size_bytes"));
  const std::string etag = TextOf(description, "etag");
  const uint64_t begin = PartBytes();
  if (begin == size) return Outcome::kWhole;
  LB_TRY_ASSIGN(file, files_.Open(part_, begin > 0 ? OpenMode::kReadWrite : OpenMode::kCreateNew));

  HttpAsk ask;
  ask.path = request_;
  if (begin > 0) {
    ask.headers = {{"Range", fmt::format("bytes={}-", begin)}, {"If-Range", etag}};
  } else {
    ask.headers = {{"If-Match", etag}};
  }
  const std::string expected_range = fmt::format("bytes {}-{}/{}", begin, size - 1, size);
  uint64_t at = begin;
  bool answered = false, stale = false;
  Status disk = Ok();
  const auto sent = api_.Send(ask, [&](const HttpAnswer& head, ByteSpan piece) -> Status {
    answered = true;
    stale = head.Header("etag") != etag || head.status != (begin > 0 ? 206 : 200) ||
            (begin > 0 && head.Header("content-range") != expected_range) ||
            at + piece.size() > size;
    if (stale) return Fail(Code::kConflict, "the clip is another one now");
    if (piece.empty()) return Ok();
    disk = file->WriteAt(at, std::span<const ByteSpan>(&piece, 1));
    if (!disk) return Pass(disk.error());
    at += piece.size();
    if (on_bytes_) on_bytes_(at, size);
    return Ok();
  });
  if (!disk) return Pass(disk.error());
  if (stale) return Outcome::kStale;
  if (sent && !sent->good()) {
    if (sent->status == 412 || sent->status == 416) return Outcome::kStale;
    return tl::unexpected<Error>(ProblemIn(*sent, api_.server()));
  }
  if (at == size) return Outcome::kWhole;
  if (answered) return at > begin ? Outcome::kCut : Outcome::kBarren;
  return sent ? Fail(Code::kUnsupported, "the server sent no clip") : Pass(sent.error());
}

Status Fetch::Finish(const Json& description) {
  {
    LB_TRY_ASSIGN(file, files_.Open(part_, OpenMode::kReadWrite));
    LB_TRY_ASSIGN(size, file->Size());
    if (size != static_cast<uint64_t>(NumberOf(description, "size_bytes"))) {
      return Fail(Code::kDiskFailed,
                  fmt::format("{} has {} bytes, not those that came", part_, size));
    }
    LB_TRY(file->Sync());
  }
  LB_TRY(files_.Rename(part_, order_.file));
  LB_TRY(files_.Remove(state_));
  return files_.SyncDirectory(DirectoryOf(order_.file));
}

Result<ClipReceipt> Fetch::Run() {
  std::optional<Json> kept = KeptDescription();
  for (int tries = 0; tries < kMaxClipTries; ++tries) {
    if (!kept) {
      LB_TRY_ASSIGN(described, Describe());
      if (!described.fetched) return described;
      kept = std::move(described.description);
    }
    LB_TRY_ASSIGN(outcome, Transfer(*kept));
    if (outcome == Outcome::kWhole) {
      LB_TRY(Finish(*kept));
      return ClipReceipt{std::move(*kept), true};
    }
    if (outcome != Outcome::kCut) kept.reset();
  }
  return Fail(Code::kUnavailable,
              fmt::format("the transfer broke off {} times; the same command goes on with it",
                          kMaxClipTries));
}

}  // namespace

Result<ClipReceipt> FetchClip(ApiClient& api, FileSystem& files, const ClipOrder& order,
                              const OnBytes& on_bytes) {
  return Fetch(api, files, order, on_bytes).Run();
}

}  // namespace lookback::app
