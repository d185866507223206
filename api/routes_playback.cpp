// Playback: HLS playlists, and what they point to. The playlist puts the view on record, and its
// media stands under that.

#include "api/routes_playback.h"

#include <fmt/format.h>

#include "api/viewing.h"
#include "query/media_part.h"
#include "query/playlist.h"

namespace lookback::api {
namespace {

// A media URL means the same bytes for ever; that long a browser need not ask for them again.
constexpr std::string_view kMediaCaching = "private, max-age=3600, immutable";

struct AskedPlaylist {
  query::PlaylistRequest request;
  Stream stream = Stream::kMain;
  std::string reason;
};

AskedPlaylist ReadPlaylistRequest(Context& context, const Call& call,
                                  std::initializer_list<std::string_view> known) {
  const Query query(call.http, known);
  AskedPlaylist asked;
  asked.request.camera = ReadCameraId(call.names[0], "camera");
  asked.stream = query.WhichStream();
  asked.request.range = query.Range();
  asked.request.audio = query.Flag("audio", true);
  asked.reason = query.Reason();
  const TimeRange& range = asked.request.range;
  if (range.duration_us() > query::kMaxPlaylistUs) {
    throw FieldProblem(
        "range-too-long", "end",
        fmt::format("a playlist is made of at most {}; from {} to {} it is {}",
                    FormatDuration(query::kMaxPlaylistUs), FormatTime(range.start_us),
                    FormatTime(range.end_us), FormatDuration(range.duration_us())));
  }
  (void)FindCamera(context, asked.request.camera);
  RefuseFuture(context, range);
  return asked;
}

net::HttpResponse PlaylistResponse(Context& context, const StreamId& stream, TimeRange range,
                                   Result<std::string> text) {
  if (!text && text.code() == Code::kNotFound) ThrowNoFootage(context, stream, range, text.error());
  net::HttpResponse response;
  response.headers = {{"Content-Type", "application/vnd.apple.mpegurl"},
                      // Whoever holds it must ask again, so that each view is on record.
                      {"Cache-Control", "private, no-cache"}};
  response.body = OrThrow(std::move(text));
  return response;
}

net::HttpResponse GetOneStream(Context& context, const Call& call, const AskedPlaylist& asked,
                               query::PlaylistKind kind) {
  const TimeRange range = asked.request.range;
  RecordPlaybackPart(context, call, asked.request.camera, range, range, asked.reason);
  return PlaylistResponse(context, {asked.request.camera, asked.stream}, range,
                          query::BuildPlaylist(context.store.archive(), asked.request, asked.stream,
                                               kind, context.clock.NowUs()));
}

}  // namespace

net::HttpResponse GetPlaylist(Context& context, const Call& call) {
  const AskedPlaylist asked = ReadPlaylistRequest(context, call, {"start", "end", "audio"});
  RecordAccess(context, call, index::ActKind::kView, std::string(kPlayback), {asked.request.camera},
               asked.request.range, asked.reason);
  return PlaylistResponse(
      context, {asked.request.camera, Stream::kMain}, asked.request.range,
      query::BuildVariants(context.store.archive(), asked.request, context.clock.NowUs()));
}

net::HttpResponse GetVariant(Context& context, const Call& call) {
  const auto asked = ReadPlaylistRequest(context, call, {"start", "end", "audio", "stream"});
  return GetOneStream(context, call, asked, query::PlaylistKind::kAll);
}

net::HttpResponse GetIFrames(Context& context, const Call& call) {
  const auto asked = ReadPlaylistRequest(context, call, {"start", "end", "stream"});
  return GetOneStream(context, call, asked, query::PlaylistKind::kSyncSamples);
}

net::HttpResponse GetLivePlaylist(Context& context, const Call& call) {
  const Query query(call.http, {"audio", "stream"});
  const StreamId stream{ReadCameraId(call.names[0], "camera"), query.WhichStream()};
  const bool audio = query.Flag("audio", true);
  (void)FindCamera(context, stream.camera);
  const TimeUs now_us = context.clock.NowUs();
  // A player asks anew every few seconds: one record is of what it can see under it.
  RecordPlaybackPart(context, call, stream.camera, {now_us, now_us + 1},
                     {now_us - query::kLiveStaleUs, now_us + kAccessCoversUs}, query.Reason());
  return PlaylistResponse(context, stream, {now_us - query::kLiveStaleUs, now_us},
                          query::BuildLivePlaylist(context.store.archive(), stream, audio, now_us));
}

net::HttpResponse GetMedia(Context& context, const Call& call) {
  const Query query(call.http, {"audio"});
  const bool audio = query.Flag("audio", true);
  const CameraId camera = ReadCameraId(call.names[0], "camera");
  (void)FindCamera(context, camera);
  const auto stream = ParseStream(call.names[1]);
  if (!stream) throw Problem{404, "unknown-media", stream.message()};
  const auto name = query::ParseMediaName({camera, *stream}, call.names[2], call.names[3]);
  if (!name) throw Problem{404, "unknown-media", name.message()};
  const auto part = query::OpenMediaPart(context.store.archive(), *name, audio, context.readers);
  if (!part && (part.code() == Code::kNotFound || part.code() == Code::kInvalid)) {
    throw Problem{404, "unknown-media", part.message()};
  }
  if (!part && part.code() == Code::kCorrupt) {
    throw Problem{410, "footage-damaged",
                  part.message() + "; ask for the playlist anew, which has a gap there"};
  }
  if (!part) throw ProblemOf(part.error());
  RecordPlaybackPart(context, call, camera, part->range, part->segment, query.Reason());
  net::HttpResponse response = SendFile(context, call.http, part->file, "video/mp4");
  if (response.status < 400) response.headers.emplace_back("Cache-Control", kMediaCaching);
  return response;
}

}  // namespace lookback::api
