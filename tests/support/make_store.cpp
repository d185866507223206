// make_store: fills a data directory with footage, as fast as the disk takes it.
//
// The store, the fragments and the marks in the pictures are what recording `camera_sim` with
// `lookback serve` gives, but for the clock, which is moved by hand: an hour takes seconds, and
// what a test asks for it can compute. Random are only the identities and salts of a new store.
//
//   make_store --data DIR --footage street.mp4 --cameras 2 --start 2026-05-04T22:00:00Z
//              --seconds 3600 --gap-at 600 --gap-seconds 30
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "apps/camera_sim/footage.h"
#include "apps/camera_sim/sei.h"
#include "base/checksum.h"
#include "media/fragmenter.h"
#include "media/h264.h"
#include "storage/store.h"

namespace lookback::test {
namespace {

using camera_sim::AccessUnit;
using camera_sim::Footage;

// How much is handed over before it is waited for; well below what a volume's queue holds.
constexpr int64_t kDrainSeconds = 20;
constexpr int kMaxCameras = 64;

struct Options {
  std::string data;
  std::string footage;
  int cameras = 1;
  std::string start;
  int64_t seconds = 60;
  int64_t gap_at_s = 0;
  int64_t gap_seconds = 0;  // 0: no gap.
  bool records = false;
};

// The same name gives the same identity in every store.
Uuid UuidOf(const std::string& name) {
  const Sha256Digest digest = Sha256(AsBytes(name));
  Uuid uuid;
  std::copy_n(digest.begin(), uuid.bytes.size(), uuid.bytes.begin());
  return uuid;
}

Result<media::TrackConfig> TrackOf(const Footage& footage) {
  std::vector<Bytes> sps, pps;
  ByteReader reader(footage.parameter_sets);
  while (reader.remaining() > 0) {
    const uint32_t length = reader.U32();
    const ByteSpan nal = reader.Take(length);
    if (nal.empty()) return Fail(Code::kCorrupt, "the footage's parameter sets are malformed");
    const bool is_sps = media::H264NalType(nal) == media::H264Nal::kSps;
    (is_sps ? sps : pps).emplace_back(nal.begin(), nal.end());
  }
  return media::MakeH264Track(std::move(sps), std::move(pps));
}

// One camera, playing the clip round and round into run after run.
class Camera {
 public:
  Camera(int number, int count, const Footage& footage, media::TrackConfig track)
      : id_(CameraId::Parse(fmt::format("cam{}", number)).value()),
        number_(number),
        footage_(footage),
        track_(std::move(track)),
        unit_(footage.SyncUnitAt(static_cast<double>(number - 1) / count)) {}

  index::Camera Record() const {
    index::Camera camera;
    camera.id = id_;
    camera.name = fmt::format("Camera {}", number_);
    camera.url = "rtsp://camera.invalid/" + id_.text();
    camera.enabled = false;  // There is nothing to connect to.
    return camera;
  }
  StreamId stream() const { return {id_, Stream::kMain}; }

  Status BeginRun(storage::Archive& archive, TimeUs start_us) {
    while (!footage_.units[unit_].sync) Step();
    start_us_ = start_us;
    first_ = unit_;
    loops_ = 0;
    fragmenter_ = std::make_unique<media::Fragmenter>(
        std::vector<media::TrackConfig>{track_},
        [start_us](int64_t ticks) { return start_us + ticks * 100 / 9; });
    storage::RunInfo run;
    run.stream = stream();
    run.run = UuidOf(fmt::format("{} {}", id_.text(), start_us));
    run.init = media::BuildInitSection({track_});
    run.tracks = fmt::format("{} {}x{}", media::CodecString(track_), track_.width, track_.height);
    LB_TRY_ASSIGN(recording, archive.Begin(std::move(run)));
    recording_ = std::move(recording);
    return Ok();
  }

  // Captures what belongs before `until_us`.
  Status Record(TimeUs until_us) {
    while (start_us_ + Dts() * 100 / 9 < until_us) {
      const AccessUnit& unit = footage_.units[unit_];
      const AccessUnit& first = footage_.units[first_];
      media::Sample sample;
      sample.pts = Dts() + (unit.pts_90k - unit.dts_90k) - (first.pts_90k - first.dts_90k);
      sample.sync = unit.sync ? media::Sync::kClosed : media::Sync::kNone;
      const Bytes mark =
          camera_sim::BuildMarkNal({id_.text(), ++frame_, start_us_ + Dts() * 100 / 9});
      sample.data = camera_sim::AssembleAccessUnit(
          unit, unit.sync ? ByteSpan(footage_.parameter_sets) : ByteSpan(), mark);
      LB_TRY_ASSIGN(fragment, fragmenter_->Push(std::move(sample)));
      if (fragment) LB_TRY(recording_->Append(std::move(*fragment)));
      Step();
    }
    return Ok();
  }

  Status EndRun() {
    while (auto fragment = fragmenter_->Flush()) LB_TRY(recording_->Append(std::move(*fragment)));
    recording_.reset();
    return Ok();
  }

 private:
  int64_t Dts() const {
    return loops_ * footage_.duration_90k + footage_.units[unit_].dts_90k -
           footage_.units[first_].dts_90k;
  }
  void Step() {
    if (++unit_ < footage_.units.size()) return;
    unit_ = 0;
    ++loops_;
  }

  const CameraId id_;
  const int number_;
  const Footage& footage_;
  const media::TrackConfig track_;
  size_t unit_;
  size_t first_ = 0;
  int64_t loops_ = 0;  // Since the run began.
  uint64_t frame_ = 0;
  TimeUs start_us_ = 0;
  std::unique_ptr<media::Fragmenter> fragmenter_;
  std::unique_ptr<storage::Recording> recording_;
};

// What people put on record beside footage: one of each.
Status PutRecords(storage::Store& store, const std::vector<Camera>& cameras, TimeRange range) {
  index::Policy policy;
  policy.scope = "default";
  policy.version = 1;
  policy.min_days = 7;
  policy.max_days = 30;
  policy.at_floor = index::AtFloor::kStop;
  policy.person = "li.wei";
  LB_TRY(store.journal().Commit({policy}));

  index::Marker marker;
  marker.id = UuidOf("marker");
  for (const Camera& camera : cameras) marker.cameras.push_back(camera.stream().camera);
  marker.range = {range.start_us + kUsPerSecond, range.start_us + 3 * kUsPerSecond};
  marker.label = "红灯";
  marker.note = "went over the red light";
  marker.person = "li.wei";
  marker.created_us = range.end_us;
  LB_TRY(store.PutMarker(marker));

  index::Marker hold = marker;
  hold.id = UuidOf("hold");
  hold.cameras = {cameras.front().stream().camera};
  hold.range = {range.end_us - 2 * kUsPerSecond, range.end_us};
  hold.label = "hit and run";
  hold.note.clear();
  hold.hold = true;
  hold.case_name = "2026-118";
  return store.PutMarker(hold);
}

Status Fill(storage::Store& store, ManualClock& clock, const Options& options,
            std::vector<Camera>& cameras) {
  storage::Archive& archive = store.archive();
  const TimeUs start_us = clock.NowUs();
  const int64_t gap_end_s = options.gap_at_s + options.gap_seconds;
  const auto begin = [&](TimeUs at_us) -> Status {
    for (Camera& camera : cameras) LB_TRY(camera.BeginRun(archive, at_us));
    return Ok();
  };
  const auto end = [&]() -> Status {
    for (Camera& camera : cameras) LB_TRY(camera.EndRun());
    return archive.Drain();
  };
  std::vector<index::Record> records;
  for (const Camera& camera : cameras) records.emplace_back(camera.Record());
  LB_TRY(store.journal().Commit(std::move(records)));
  LB_TRY(begin(start_us));
  for (int64_t second = 0; second < options.seconds; ++second) {
    const TimeUs now_us = start_us + second * kUsPerSecond;
    const bool gap = options.gap_seconds > 0 && second >= options.gap_at_s && second < gap_end_s;
    if (gap && second == options.gap_at_s) LB_TRY(end());
    if (!gap) {
      for (Camera& camera : cameras) LB_TRY(camera.Record(now_us + kUsPerSecond));
    }
    clock.Advance(kUsPerSecond);
    if (gap && second == gap_end_s - 1) {
      for (const Camera& camera : cameras) {
        archive.RecordGap({camera.stream(),
                           {start_us + options.gap_at_s * kUsPerSecond, clock.NowUs()},
                           index::GapCause::kNetwork,
                           "connection reset by peer"});
      }
      LB_TRY(begin(clock.NowUs()));
    }
    if (second % kDrainSeconds == kDrainSeconds - 1) LB_TRY(archive.Drain());
  }
  LB_TRY(end());
  if (!options.records) return Ok();
  return PutRecords(store, cameras, {start_us, clock.NowUs()});
}

Status Run(const Options& options) {
  LB_TRY_ASSIGN(start_us, ParseTime(options.start));
  LB_TRY_ASSIGN(footage, camera_sim::LoadFootage(options.footage));
  LB_TRY_ASSIGN(track, TrackOf(footage));
  std::vector<Camera> cameras;
  for (int n = 1; n <= options.cameras; ++n) {
    cameras.emplace_back(n, options.cameras, footage, track);
  }
  const auto files = MakePosixFileSystem();
  ManualClock clock(start_us);
  storage::StoreOptions store_options;
  store_options.data = options.data;
  LB_TRY_ASSIGN(store, storage::Store::Open(store_options, clock, *files));
  store->WaitForRecovery();
  LB_TRY(Fill(*store, clock, options, cameras));
  store->Close();
  return Ok();
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Fills a data directory with footage, faster than time goes by.");
  app.add_option("--data", options.data, "Data directory to make")->required();
  app.add_option("--footage", options.footage, "H.264 clip that every camera plays")->required();
  app.add_option("--cameras", options.cameras, "cam1, cam2, ...")
      ->check(CLI::Range(1, kMaxCameras));
  app.add_option("--start", options.start, "RFC 3339")->required();
  app.add_option("--seconds", options.seconds, "Length, gap included")->check(CLI::PositiveNumber);
  app.add_option("--gap-at", options.gap_at_s, "Second at which the network fails")
      ->check(CLI::PositiveNumber);
  app.add_option("--gap-seconds", options.gap_seconds, "Its length")->check(CLI::PositiveNumber);
  app.add_flag("--records", options.records, "With a policy, a marker and a hold");
  CLI11_PARSE(app, argc, argv);
  if (options.gap_seconds > 0 && options.gap_at_s + options.gap_seconds >= options.seconds) {
    std::fputs("make_store: the gap must end before the footage does\n", stderr);
    return 2;
  }
  const Status done = Run(options);
  if (done) return 0;
  std::fprintf(stderr, "make_store: %s\n", done.message().c_str());
  return 1;
}

}  // namespace
}  // namespace lookback::test

int main(int argc, char** argv) { return lookback::test::Main(argc, argv); }
