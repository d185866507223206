// Pictures of an instant, and many small ones of a range for scrubbing: decoded from the stored
// samples, and on record like any view.

#include <fmt/format.h>

#include <algorithm>

#include "api/routes_playback.h"
#include "api/viewing.h"
#include "query/picture.h"
#include "query/timeline.h"

namespace lookback::api {
namespace {

constexpr uint64_t kLeastWidth = 16;
constexpr uint64_t kMaxWidth = 8'192;
// What decoding may take of one request. What a sprite has by then is kept,
// so the next try gets on.
constexpr int64_t kDecodeUs = 5 * kUsPerSecond;

// A sprite: ten by ten cells, each of its share of the range.
constexpr media::Grid kGrid{10, 160, 90};
constexpr size_t kMaxCells = 100;
constexpr int64_t kShortestCellUs = kUsPerSecond;
constexpr int64_t kMaxSpriteUs = 31 * kUsPerDay;

struct Decoded {
  TimeUs shown_us = 0;
  Bytes jpeg;
};

Result<Decoded> DecodeAt(Context& context, const StreamId& stream, TimeUs instant_us,
                         media::WhichPicture which, uint32_t width, int64_t until_us) {
  storage::PictureCache& cache = context.store.pictures();
  const uint64_t mark = cache.mark();
  LB_TRY_ASSIGN(found, query::Picture::Find(context.store.archive(), stream, instant_us,
                                            context.clock.NowUs()));
  const std::string name =
      fmt::format("{}_{}_{}", found.etag(),
                  which == media::WhichPicture::kFirstStored ? "sync" : "shown", width);
  if (auto kept = cache.Get(name)) return Decoded{found.shown_us(), std::move(*kept)};
  GiveWay(context.store.archive());
  LB_TRY_ASSIGN(jpeg, found.Decode(which, width, context.clock,
                                   std::max<int64_t>(0, until_us - context.clock.MonotonicUs())));
  cache.Put(name, stream, found.shown_us(), jpeg, mark);
  return Decoded{found.shown_us(), std::move(jpeg)};
}

DecodeGate::Turn TakeTurn(Context& context) {
  auto turn = context.decoding.Enter();
  if (turn) return std::move(*turn);
  throw Problem{503, "busy", "enough pictures are being decoded just now; try again in a second"};
}

net::HttpResponse JpegResponse(const Bytes& jpeg) {
  net::HttpResponse response;
  // Whoever holds it must ask again, so that each view is on record.
  response.headers = {{"Content-Type", "image/jpeg"}, {"Cache-Control", "private, no-store"}};
  response.body = AsText(jpeg);
  return response;
}

struct AskedSprite {
  StreamId stream;
  TimeRange range;
  int64_t cell_us = 0;
  size_t cells = 0;

  TimeRange Cell(size_t nth) const {
    const TimeUs start_us = range.start_us + static_cast<int64_t>(nth) * cell_us;
    return {start_us, std::min(start_us + cell_us, range.end_us)};
  }
};

AskedSprite ReadSprite(Context& context, const Call& call, bool continues) {
  const Query query(call.http, {"start", "end", "stream"});
  AskedSprite asked;
  asked.stream = {ReadCameraId(call.names[0], "camera"), query.WhichStream()};
  asked.range = query.Range();
  if (asked.range.duration_us() > kMaxSpriteUs) {
    throw FieldProblem("range-too-long", "end", "a sprite is of at most 31 days");
  }
  (void)FindCamera(context, asked.stream.camera);
  RefuseFuture(context, asked.range);
  const int64_t duration_us = asked.range.duration_us();
  const auto most = static_cast<int64_t>(kMaxCells);
  asked.cell_us = std::max((duration_us + most - 1) / most, kShortestCellUs);
  asked.cells = static_cast<size_t>((duration_us + asked.cell_us - 1) / asked.cell_us);
  RecordAccess(context, call, index::ActKind::kView, Variant("sprite.jpg", asked.stream.stream),
               {asked.stream.camera}, asked.range, query.Reason(), continues);
  return asked;
}

query::Timeline TimelineOf(Context& context, const AskedSprite& asked) {
  return OrThrow(query::BuildTimeline(context.store.archive(), asked.stream, asked.range,
                                      context.clock.NowUs()));
}

// The first instant of a cell that has footage.
std::optional<TimeUs> FirstShown(const query::Timeline& timeline, TimeRange cell) {
  for (const query::Span& span : timeline.spans) {
    if (span.range.Overlaps(cell)) return std::max(cell.start_us, span.range.start_us);
  }
  return std::nullopt;
}

// Some players take the first colon of a relative URL for the end of its scheme.
std::string QueryTime(TimeUs time_us) {
  std::string text;
  for (const char c : FormatTime(time_us))
    text += c == ':' ? std::string("%3A") : std::string(1, c);
  return text;
}

// "00:09:12.345", from the start of the range.
std::string CueTime(int64_t us) {
  return fmt::format("{:02}:{:02}:{:02}.{:03}", us / kUsPerHour, us % kUsPerHour / kUsPerMinute,
                     us % kUsPerMinute / kUsPerSecond, us % kUsPerSecond / kUsPerMs);
}

}  // namespace

net::HttpResponse GetPicture(Context& context, const Call& call) {
  const Query query(call.http, {"time", "width", "stream"});
  const StreamId stream{ReadCameraId(call.names[0], "camera"), query.WhichStream()};
  const auto time = query.Time("time");
  if (!time) throw FieldProblem("missing-parameter", "time", "time= is needed: of which instant?");
  const auto width = static_cast<uint32_t>(query.Number("width", 0, kMaxWidth, kLeastWidth));
  const TimeRange instant{*time, *time + 1};
  (void)FindCamera(context, stream.camera);
  RefuseFuture(context, instant);
  RecordAccess(context, call, index::ActKind::kView, Variant("picture", stream.stream),
               {stream.camera}, instant, query.Reason());
  const DecodeGate::Turn turn = TakeTurn(context);
  const auto decoded = DecodeAt(context, stream, *time, media::WhichPicture::kFirstShown, width,
                                context.clock.MonotonicUs() + kDecodeUs);
  if (!decoded && decoded.code() == Code::kNotFound) {
    ThrowNoFootage(context, stream, instant, decoded.error());
  }
  if (!decoded && decoded.code() == Code::kCorrupt) {
    throw Problem{410, "footage-damaged", decoded.message()};
  }
  if (!decoded) throw ProblemOf(decoded.error());
  net::HttpResponse response = JpegResponse(decoded->jpeg);
  response.headers.emplace_back("X-Lookback-Shown", FormatTime(decoded->shown_us));
  return response;
}

net::HttpResponse GetSprite(Context& context, const Call& call) {
  const AskedSprite asked = ReadSprite(context, call, /*continues=*/true);
  const DecodeGate::Turn turn = TakeTurn(context);
  const int64_t until_us = context.clock.MonotonicUs() + kDecodeUs;
  const query::Timeline timeline = TimelineOf(context, asked);
  std::vector<Bytes> cells(asked.cells);
  bool any = false;
  for (size_t i = 0; i < cells.size(); ++i) {
    const auto instant_us = FirstShown(timeline, asked.Cell(i));
    if (!instant_us) continue;
    auto decoded = DecodeAt(context, asked.stream, *instant_us, media::WhichPicture::kFirstStored,
                            kGrid.cell_width, until_us);
    if (!decoded && decoded.code() == Code::kUnavailable) throw ProblemOf(decoded.error());
    // One that is missing, damaged or cannot be decoded stays black, and takes no other with it.
    if (!decoded) continue;
    cells[i] = std::move(decoded->jpeg);
    any = true;
  }
  if (!any) {
    const Error error{Code::kNotFound, "there is no picture in that range", 0};
    ThrowNoFootage(context, asked.stream, asked.range, error);
  }
  return JpegResponse(OrThrow(media::MakeGrid(cells, kGrid)));
}

net::HttpResponse GetSpriteCues(Context& context, const Call& call) {
  const AskedSprite asked = ReadSprite(context, call, /*continues=*/false);
  const query::Timeline timeline = TimelineOf(context, asked);
  const std::string sprite =
      fmt::format("sprite.jpg?start={}&end={}&stream={}", QueryTime(asked.range.start_us),
                  QueryTime(asked.range.end_us), StreamName(asked.stream.stream));
  std::string text = "WEBVTT\n";
  for (size_t i = 0; i < asked.cells; ++i) {
    const TimeRange cell = asked.Cell(i);
    if (!FirstShown(timeline, cell)) continue;
    const int64_t start_us = cell.start_us - asked.range.start_us;
    // A cue ends later than it begins, by the milliseconds that it is told in.
    const int64_t end_us = std::max(cell.end_us - asked.range.start_us, start_us + kUsPerMs);
    text += fmt::format("\n{} --> {}\n{}#xywh={},{},{},{}\n", CueTime(start_us), CueTime(end_us),
                        sprite, i % kGrid.columns * kGrid.cell_width,
                        i / kGrid.columns * kGrid.cell_height, kGrid.cell_width, kGrid.cell_height);
  }
  net::HttpResponse response;
  response.headers = {{"Content-Type", "text/vtt; charset=utf-8"},
                      {"Cache-Control", "private, no-cache"}};
  response.body = std::move(text);
  return response;
}

}  // namespace lookback::api
