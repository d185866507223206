#include "apps/lookback/clip_fetch.h"

#include <fmt/format.h>

#include <optional>

#include "base/checksum.h"

namespace lookback::app {
namespace {

constexpr size_t kDigestPieceBytes = 1 << 20;

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

// The clip as the server has it.
class Source {
 public:
  // Takes the bytes that stand at `at`.
  using Write = std::function<Status(uint64_t at, ByteSpan piece)>;

  Source(ApiClient& api, const ClipOrder& order, const OnBytes& on_bytes)
      : api_(api),
        order_(order),
        on_bytes_(on_bytes),
        base_("/api/v1/cameras/" + PercentEncode(order.camera)),
        request_(WithQuery(base_ + "/clip.mp4", order.query)) {}

  const std::string& request() const { return request_; }
  // What the clip would be. Not fetched: require_complete forbids it.
  Result<ClipReceipt> Describe();
  // One request for what is left from `at` on, which moves as bytes come.
  Result<Outcome> Transfer(const Json& description, uint64_t& at, const Write& write);

 private:
  ApiClient& api_;
  const ClipOrder& order_;
  const OnBytes& on_bytes_;
  const std::string base_;
  const std::string request_;
};

Result<ClipReceipt> Source::Describe() {
  HttpAsk ask;
  ask.path = WithQuery(base_ + "/clip.json", order_.query);
  LB_TRY_ASSIGN(answer, api_.Send(ask));
  if (!answer.good()) {
    if (order_.require_complete && ProblemType(answer) == "no-footage") {
      LB_TRY_ASSIGN(problem, ParseJson(answer.body));
      Json nothing = {{"duration_us", 0}, {"missing", ListOf(problem, "missing")}};
      return ClipReceipt{std::move(nothing), false, ""};
    }
    return tl::unexpected<Error>(ProblemIn(answer, api_.server()));
  }
  LB_TRY_ASSIGN(description, ParseJson(answer.body));
  if (TextOf(description, "etag").empty() || NumberOf(description, "size_bytes") <= 0) {
    return Fail(Code::kUnsupported, "the server describes no clip; is it of another version?");
  }
  const bool wanted = !order_.require_complete || NumberOf(description, "missing_us") <= 0;
  return ClipReceipt{std::move(description), wanted, ""};
}

Result<Outcome> Source::Transfer(const Json& description, uint64_t& at, const Write& write) {
  const auto size = static_cast<uint64_t>(NumberOf(description, "size_bytes"));
  const std::string etag = TextOf(description, "etag");
  const uint64_t begin = at;
  if (begin == size) return Outcome::kWhole;

  HttpAsk ask;
  ask.path = request_;
  if (begin > 0) {
    ask.headers = {{"Range", fmt::format("bytes={}-", begin)}, {"If-Range", etag}};
  } else {
    ask.headers = {{"If-Match", etag}};
  }
  const std::string expected_range = fmt::format("bytes {}-{}/{}", begin, size - 1, size);
  bool answered = false, stale = false;
  Status written = Ok();
  const auto sent = api_.Send(ask, [&](const HttpAnswer& head, ByteSpan piece) -> Status {
    answered = true;
    stale = head.Header("etag") != etag || head.status != (begin > 0 ? 206 : 200) ||
            (begin > 0 && head.Header("content-range") != expected_range) ||
            at + piece.size() > size;
    if (stale) return Fail(Code::kConflict, "the clip is another one now");
    if (piece.empty()) return Ok();
    written = write(at, piece);
    if (!written) return Pass(written.error());
    at += piece.size();
    if (on_bytes_) on_bytes_(at, size);
    return Ok();
  });
  if (!written) return Pass(written.error());
  if (stale) return Outcome::kStale;
  if (sent && !sent->good()) {
    if (sent->status == 412 || sent->status == 416) return Outcome::kStale;
    return tl::unexpected<Error>(ProblemIn(*sent, api_.server()));
  }
  if (at == size) return Outcome::kWhole;
  if (answered) return at > begin ? Outcome::kCut : Outcome::kBarren;
  return sent ? Fail(Code::kUnsupported, "the server sent no clip") : Pass(sent.error());
}

tl::unexpected<Error> BrokeOff(std::string_view advice) {
  return Fail(Code::kUnavailable,
              fmt::format("the transfer broke off {} times; {}", kMaxClipTries, advice));
}

// The clip as it grows on disk.
class Fetch {
 public:
  Fetch(ApiClient& api, FileSystem& files, const ClipOrder& order, const OnBytes& on_bytes)
      : files_(files),
        order_(order),
        part_(order.file + ".part"),
        state_(order.file + ".part.etag"),
        source_(api, order, on_bytes) {}

  Result<ClipReceipt> Run();

 private:
  std::optional<Json> KeptDescription();
  Result<ClipReceipt> Describe();
  Result<Outcome> Transfer(const Json& description);
  Result<std::string> Finish(const Json& description);
  void Discard();

  uint64_t PartBytes() {
    const auto info = files_.Stat(part_);
    return info ? info->size : 0;
  }

  FileSystem& files_;
  const ClipOrder& order_;
  const std::string part_;
  const std::string state_;
  Source source_;
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
  if (!kept || TextOf(*kept, "request") != source_.request() || TextOf(*kept, "etag").empty()) {
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
  LB_TRY_ASSIGN(described, source_.Describe());
  if (!described.fetched) return described;
  Json kept = described.description;
  kept["request"] = source_.request();
  const std::string text = kept.dump(-1, ' ', false, Json::error_handler_t::replace);
  const Status written = WriteFileDurably(files_, state_, AsBytes(text));
  if (!written) {
    return Pass(written.error(),
                fmt::format("no file can be written in {}", DirectoryOf(order_.file)));
  }
  return described;
}

Result<Outcome> Fetch::Transfer(const Json& description) {
  uint64_t at = PartBytes();
  if (at == static_cast<uint64_t>(NumberOf(description, "size_bytes"))) return Outcome::kWhole;
  LB_TRY_ASSIGN(file, files_.Open(part_, at > 0 ? OpenMode::kReadWrite : OpenMode::kCreateNew));
  return source_.Transfer(description, at, [&file](uint64_t offset, ByteSpan piece) {
    return file->WriteAt(offset, std::span<const ByteSpan>(&piece, 1));
  });
}

// Gives the file its name; its SHA-256, as read back, since parts of it may be an earlier try's.
Result<std::string> Fetch::Finish(const Json& description) {
  Sha256Hasher sha;
  {
    LB_TRY_ASSIGN(file, files_.Open(part_, OpenMode::kReadWrite));
    LB_TRY_ASSIGN(size, file->Size());
    if (size != static_cast<uint64_t>(NumberOf(description, "size_bytes"))) {
      return Fail(Code::kDiskFailed,
                  fmt::format("{} has {} bytes, not those that came", part_, size));
    }
    LB_TRY(file->Sync());
    Bytes piece(kDigestPieceBytes);
    for (uint64_t at = 0; at < size;) {
      LB_TRY_ASSIGN(count, file->ReadAt(at, piece));
      if (count == 0) return Fail(Code::kDiskFailed, part_ + " became shorter while it was read");
      sha.Update(ByteSpan(piece).first(count));
      at += count;
    }
  }
  LB_TRY(files_.Rename(part_, order_.file));
  LB_TRY(files_.Remove(state_));
  LB_TRY(files_.SyncDirectory(DirectoryOf(order_.file)));
  return HexEncode(sha.Finish());
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
      LB_TRY_ASSIGN(sha256, Finish(*kept));
      return ClipReceipt{std::move(*kept), true, std::move(sha256)};
    }
    if (outcome != Outcome::kCut) kept.reset();
  }
  return BrokeOff("the same command goes on with it");
}

}  // namespace

Status CheckClipFile(FileSystem& files, const std::string& file, bool force) {
  if (file.empty()) {
    return Fail(Code::kInvalid, "-o \"\": name a file to write, or - for standard output");
  }
  if (const auto there = files.Stat(file)) {
    if (there->is_directory) {
      return Fail(Code::kConflict, file + " is a directory; name a file in it");
    }
    if (!there->is_regular) {
      return Fail(Code::kConflict, fmt::format("{} is a device, a pipe or a socket, which no file "
                                               "replaces; `-o - > {}` writes into it",
                                               file, file));
    }
    return force ? Ok() : Fail(Code::kConflict, file + " exists; --force replaces it");
  }
  const std::string directory = DirectoryOf(file);
  const auto above = files.Stat(directory);
  if (!above && above.code() == Code::kNotFound) {
    return Fail(Code::kNotFound, fmt::format("the directory {} does not exist", directory));
  }
  if (!above) return Pass(above.error());
  if (!above->is_directory) return Fail(Code::kConflict, directory + " is not a directory");
  return Ok();
}

Result<ClipReceipt> FetchClip(ApiClient& api, FileSystem& files, const ClipOrder& order,
                              const OnBytes& on_bytes) {
  return Fetch(api, files, order, on_bytes).Run();
}

Result<ClipReceipt> StreamClip(ApiClient& api, const ClipOrder& order, const ByteSink& sink,
                               const OnBytes& on_bytes) {
  Source source(api, order, on_bytes);
  Sha256Hasher sha;
  const auto write = [&](uint64_t, ByteSpan piece) -> Status {
    LB_TRY(sink(piece));
    sha.Update(piece);
    return Ok();
  };
  std::optional<Json> plan;
  uint64_t at = 0;
  for (int tries = 0; tries < kMaxClipTries; ++tries) {
    if (!plan) {
      LB_TRY_ASSIGN(described, source.Describe());
      if (!described.fetched) return described;
      plan = std::move(described.description);
    }
    LB_TRY_ASSIGN(outcome, source.Transfer(*plan, at, write));
    if (outcome == Outcome::kWhole) {
      return ClipReceipt{std::move(*plan), true, HexEncode(sha.Finish())};
    }
    if (outcome == Outcome::kCut) continue;
    if (at > 0) {
      return Fail(Code::kUnavailable,
                  fmt::format("the clip became another one while it was sent: the {} bytes that "
                              "were written are no whole clip; ask again",
                              at));
    }
    plan.reset();
  }
  return BrokeOff(fmt::format("the {} bytes that were written are no whole clip", at));
}

}  // namespace lookback::app
