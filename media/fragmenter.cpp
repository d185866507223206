#include "media/fragmenter.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <string>

#include "media/audio.h"
#include "media/fragment_boxes.h"

namespace lookback::media {
namespace {

constexpr int64_t kAudioOnlyFragmentUs = kUsPerSecond;
constexpr int64_t kFallbackFrameRate = 25;  // For a run of one picture, which has no duration.

auto Refuse(const std::string& why) { return Fail(Code::kInvalid, "sample refused: " + why); }

// Samples of the leading track on their way into one fragment, in decoding order.
struct Group {
  std::vector<Sample> samples;
  int64_t min_pts = std::numeric_limits<int64_t>::max();
  int64_t max_pts = std::numeric_limits<int64_t>::min();
  uint64_t bytes = 0;
  bool only_sync_samples = true;

  bool empty() const { return samples.empty(); }
  void Add(Sample sample) {
    min_pts = std::min(min_pts, sample.pts);
    max_pts = std::max(max_pts, sample.pts);
    bytes += sample.data.size();
    only_sync_samples = only_sync_samples && sample.sync != Sync::kNone;
    samples.push_back(std::move(sample));
  }
};

// Of times that rise, two at least: the interval that half of them do not exceed.
int64_t UsualInterval(const std::vector<int64_t>& times) {
  std::vector<int64_t> intervals(times.size() - 1);
  for (size_t i = 0; i < intervals.size(); ++i) intervals[i] = times[i + 1] - times[i];
  const auto middle = intervals.begin() + static_cast<ptrdiff_t>((intervals.size() - 1) / 2);
  std::nth_element(intervals.begin(), middle, intervals.end());
  return *middle;
}

}  // namespace

// The leading track is the video, or the audio of a run without video. Its samples gather in
// `open`. At a cut `open` becomes `closed`, which waits until its end is certain: until a sample
// arrives that is presented after all of `open`, for only then can none of those to come be
// presented before `open`'s earliest.
struct Fragmenter::State {
  State(std::vector<TrackConfig> configs, MapToUtc to_utc)
      : tracks(std::move(configs)), map(std::move(to_utc)) {}

  const TrackConfig& leading() const { return tracks[0]; }
  bool has_video() const { return leading().kind == TrackKind::kVideo; }
  int64_t Ticks(int64_t us) const { return us * leading().timescale / kUsPerSecond; }

  Status Check(const Sample& sample) const;
  Status CheckAudio(const Sample& sample) const;
  void PushLeading(Sample sample);
  bool IsFull(const Sample& next) const;
  bool MustCut(const Sample& next) const;
  void Finish(Group& group, std::optional<int64_t> end);
  void TakeLeading(Group& group, std::optional<int64_t> end, Fragment& fragment);
  void TakeAudio(std::optional<int64_t> end, Fragment& fragment);
  std::optional<Fragment> PopReady();

  std::vector<TrackConfig> tracks;
  MapToUtc map;

  Group closed;
  Group open;
  std::deque<Sample> audio;  // Beside video only.
  uint64_t audio_bytes = 0;
  std::optional<int64_t> last_audio_pts;
  int64_t audio_duration = 0;  // Of the last sample that came out, in ticks.

  // The border before everything held, once a fragment came out: media time and UTC.
  std::optional<int64_t> border;
  TimeUs border_us = 0;
  int64_t last_start = 0;  // Media time at which the last fragment began.
  int64_t usual = 0;       // UsualInterval() of what came out last; 0 before that.
  uint32_t number = 0;
  std::deque<Fragment> ready;
};

Status Fragmenter::State::Check(const Sample& sample) const {
  if (sample.data.empty()) return Refuse("it is empty");
  if (sample.data.size() > kMaxSampleBytes) {
    return Refuse(std::to_string(sample.data.size()) + " bytes are above the limit of 16 MiB");
  }
  if (sample.pts < 0) return Refuse("its time lies before the start of the run");
  if (sample.pts > kMaxMediaTicks) return Refuse("its time lies beyond the end of any run");
  if (sample.track != leading().kind) return CheckAudio(sample);
  if (open.empty()) {
    if (has_video() && sample.sync == Sync::kNone) return Refuse("no sync sample came before it");
    return Ok();
  }
  if (sample.pts > open.max_pts + Ticks(kMaxJumpUs)) {
    return Refuse("its time is more than an hour ahead of the sample before it");
  }
  if (has_video() ? sample.pts < last_start : sample.pts <= open.max_pts) {
    return Refuse("its time runs back beyond the last fragment");
  }
  return Ok();
}

Status Fragmenter::State::CheckAudio(const Sample& sample) const {
  if (tracks.size() < 2 || sample.track != tracks[1].kind)
    return Refuse("the run has no such track");
  if (open.empty()) return Refuse("no video sync sample came before it");
  const int64_t first = open.samples[0].pts * tracks[1].timescale / leading().timescale;
  if (!last_audio_pts && !border && closed.empty() && sample.pts < first) {
    return Refuse("its time lies before the first picture");
  }
  if (last_audio_pts && sample.pts <= *last_audio_pts) return Refuse("audio runs back");
  const int64_t jump = kMaxJumpUs / kUsPerSecond * tracks[1].timescale;
  if (last_audio_pts && sample.pts > *last_audio_pts + jump) {
    return Refuse("its time is more than an hour ahead of the sample before it");
  }
  if (audio_bytes + sample.data.size() > kMaxHeldAudioBytes ||
      audio.size() >= kMaxFragmentSamples) {
    return Refuse("the video is too far behind: more than 4 MiB or 4,096 samples of audio wait");
  }
  return Ok();
}

// Past the limits, a fragment ends at the next sample that lets it.
bool Fragmenter::State::IsFull(const Sample& next) const {
  const int64_t limit_us = has_video() ? kMaxFragmentUs : kAudioOnlyFragmentUs;
  return next.pts - open.min_pts >= Ticks(limit_us) ||
         open.bytes + next.data.size() > kMaxFragmentBytes ||
         open.samples.size() >= kMaxFragmentSamples;
}

// No stream that keeps its own promises gets here: a decoder holds 16 pictures at most.
bool Fragmenter::State::MustCut(const Sample& next) const {
  return open.samples.size() >= kMaxFragmentSamples ||
         open.bytes + next.data.size() > kMaxHeldVideoBytes;
}

void Fragmenter::State::PushLeading(Sample sample) {
  if (!open.empty()) {
    const bool after_all = sample.pts > open.max_pts;
    if (after_all && !closed.empty()) Finish(closed, open.min_pts);
    // A stream of sync samples alone (MJPEG) would give a fragment a picture: it gets full ones.
    const bool next_gop = has_video() && sample.sync != Sync::kNone && !open.only_sync_samples;
    if (next_gop || MustCut(sample) || (after_all && IsFull(sample))) {
      if (!closed.empty()) Finish(closed, open.min_pts);
      std::swap(closed, open);
      // Nothing is presented before an H.264 IDR picture that follows it in decoding order
      // (ISO/IEC 14496-10 §8.2.1), and neither JPEG pictures nor audio are reordered.
      const bool closed_for_sure =
          leading().codec == Codec::kH264 || leading().codec == Codec::kMjpeg;
      const bool first_for_sure = !has_video() || (closed_for_sure && sample.sync == Sync::kClosed);
      if (first_for_sure) Finish(closed, sample.pts);
    }
  }
  if (!has_video()) sample.sync = Sync::kClosed;
  open.Add(std::move(sample));
}

// Makes a fragment of `group`, which ends where the next begins (nullopt: the run ends).
void Fragmenter::State::Finish(Group& group, std::optional<int64_t> end) {
  Fragment fragment;
  FragmentInfo& info = fragment.info;
  info.number = ++number;
  TakeLeading(group, end, fragment);
  const FragmentTrack& track = info.tracks[0];
  const int64_t media_end = track.base_decode_time + track.duration();
  info.start_us = border ? border_us : map(track.base_decode_time);
  info.end_us = std::max(map(media_end), info.start_us + 1);
  last_start = track.base_decode_time;
  border = media_end;
  border_us = info.end_us;
  const size_t leading_parts = fragment.parts.size();
  if (tracks.size() > 1) {
    TakeAudio(
        end ? std::optional(media_end * tracks[1].timescale / leading().timescale) : std::nullopt,
        fragment);
  }
  // Heads are written last, for `prft` and the data offsets need what was just found.
  uint64_t length = kPrftBytes;
  for (size_t i = 0; i < info.tracks.size(); ++i) {
    Bytes& head = fragment.parts[i == 0 ? 0 : leading_parts];
    FragmentTrack& part = info.tracks[i];
    head.reserve(kPrftBytes + TrackFragmentBytes(part));
    ByteWriter out(head);
    if (i == 0) WriteProducerReferenceTime(info, out);
    WriteTrackFragment(info.number, static_cast<uint32_t>(i) + 1, part, out);
    length += TrackFragmentBytes(part);
    part.data_offset = static_cast<uint32_t>(length);
    length += part.data_bytes();
  }
  info.length = static_cast<uint32_t>(length);
  ready.push_back(std::move(fragment));
}

void Fragmenter::State::TakeLeading(Group& group, std::optional<int64_t> end, Fragment& fragment) {
  FragmentInfo& info = fragment.info;
  const size_t count = group.samples.size();
  std::vector<int64_t> times(count);
  for (size_t i = 0; i < count; ++i) times[i] = group.samples[i].pts;
  if (!std::is_sorted(times.begin(), times.end())) std::sort(times.begin(), times.end());
  // Decoding times are presentation times in rising order, unless the stream broke its order: then
  // they keep rising from the border by a tick, and composition offsets carry the difference.
  if (border && times[0] < *border) info.flags |= kDamaged;
  if (border) times[0] = *border;
  for (size_t i = 1; i < count; ++i) times[i] = std::max(times[i], times[i - 1] + 1);
  if (count > 1) usual = UsualInterval(times);
  // The one before it may stand for pictures that were lost, or for a pause.
  int64_t last = count > 1 ? std::min(usual, times[count - 1] - times[count - 2]) : usual;
  if (last == 0) {
    last = has_video() ? leading().timescale / kFallbackFrameRate
                       : NominalAudioTicks(leading(), group.samples[0].data);
  }
  if (end) last = std::max<int64_t>(*end - times[count - 1], 1);

  FragmentTrack track;
  track.kind = leading().kind;
  track.base_decode_time = times[0];
  track.samples.reserve(count);
  fragment.parts.reserve(count + audio.size() + 2);
  fragment.parts.emplace_back();
  for (size_t i = 0; i < count; ++i) {
    Sample& sample = group.samples[i];
    const int64_t duration = i + 1 < count ? times[i + 1] - times[i] : last;
    track.samples.push_back({static_cast<uint32_t>(duration),
                             static_cast<uint32_t>(sample.data.size()),
                             static_cast<int32_t>(sample.pts - times[i]), sample.sync});
    if (sample.damaged) info.flags |= kDamaged;
    info.lost_packets += sample.lost_packets;
    fragment.parts.push_back(std::move(sample.data));
  }
  if (!has_video()) info.flags |= kAudioOnly;
  if (track.samples[0].sync == Sync::kNone) info.flags |= kContinuation;
  if (track.samples[0].sync == Sync::kOpen) info.flags |= kOpenGop;
  info.tracks.push_back(std::move(track));
  group = Group();
}

// Takes the audio that begins before `end` (in its own ticks; nullopt: all). The newest sample
// stays until its successor has told how long it lasts, so that audio has no seams.
void Fragmenter::State::TakeAudio(std::optional<int64_t> end, Fragment& fragment) {
  FragmentInfo& info = fragment.info;
  FragmentTrack track;
  track.kind = TrackKind::kAudio;
  while (!audio.empty() && (end ? audio.size() > 1 && audio.front().pts < *end : true)) {
    Sample sample = std::move(audio.front());
    audio.pop_front();
    audio_bytes -= sample.data.size();
    if (track.samples.empty()) {
      track.base_decode_time = sample.pts;
      fragment.parts.emplace_back();
    }
    if (!audio.empty()) {
      audio_duration = audio.front().pts - sample.pts;
    } else if (audio_duration == 0) {
      audio_duration = NominalAudioTicks(tracks[1], sample.data);
    }
    track.samples.push_back({static_cast<uint32_t>(audio_duration),
                             static_cast<uint32_t>(sample.data.size()), 0, Sync::kClosed});
    if (sample.damaged) info.flags |= kDamaged;
    info.lost_packets += sample.lost_packets;
    fragment.parts.push_back(std::move(sample.data));
  }
  if (!track.samples.empty()) info.tracks.push_back(std::move(track));
}

std::optional<Fragment> Fragmenter::State::PopReady() {
  if (ready.empty()) return std::nullopt;
  Fragment fragment = std::move(ready.front());
  ready.pop_front();
  return fragment;
}

Fragmenter::Fragmenter(std::vector<TrackConfig> tracks, MapToUtc map)
    : state_(std::make_unique<State>(std::move(tracks), std::move(map))) {
  const std::vector<TrackConfig>& configs = state_->tracks;
  LB_CHECK(!configs.empty() && configs.size() <= kMaxTracks);
  LB_CHECK(configs.size() == 1 ||
           (configs[0].kind == TrackKind::kVideo && configs[1].kind == TrackKind::kAudio));
}

Fragmenter::~Fragmenter() = default;

Result<std::optional<Fragment>> Fragmenter::Push(Sample sample) {
  LB_TRY(state_->Check(sample));
  if (sample.track == state_->leading().kind) {
    state_->PushLeading(std::move(sample));
  } else {
    state_->last_audio_pts = sample.pts;
    state_->audio_bytes += sample.data.size();
    state_->audio.push_back(std::move(sample));
  }
  return state_->PopReady();
}

std::optional<Fragment> Fragmenter::Flush() {
  State& state = *state_;
  if (state.ready.empty() && !state.closed.empty()) {
    state.Finish(state.closed, state.open.min_pts);
  } else if (state.ready.empty() && !state.open.empty()) {
    state.Finish(state.open, std::nullopt);
  }
  return state.PopReady();
}

uint64_t Fragmenter::held_bytes() const {
  uint64_t bytes = state_->closed.bytes + state_->open.bytes + state_->audio_bytes;
  for (const Fragment& fragment : state_->ready) bytes += fragment.info.length;
  return bytes;
}

}  // namespace lookback::media
