// tests/support/synthetic_archive.h: an archive of many small segments and of what people did in
// it, in little time: files, ledger and catalog are the product's own, and no camera is needed.
//
// Each segment is a file of one fragment, about two kilobytes. Between them stand gaps,
// deletions and losses, settings, markers, holds (some released), notes, alarms and acts,
// from the same seed the same.
//
// Threads:   one.
#pragma once

#include <array>
#include <random>
#include <string>
#include <vector>

#include "storage/layout.h"
#include "storage/ledger.h"
#include "storage/live_segment.h"
#include "storage/segment_format.h"
#include "tests/support/synthetic_footage.h"

namespace lookback::test {

class SyntheticArchive {
 public:
  static constexpr int kCameras = 20;
  static constexpr size_t kGroup = 500;

  struct Options {
    Uuid store;
    Uuid volume;
    std::string root;  // Of the volume; empty: rows alone, without files.
    uint64_t seed = 1;
  };
  SyntheticArchive(Options options, FileSystem& files)
      : options_(std::move(options)), files_(files), random_(options_.seed) {
    for (Uuid& run : runs_) run = Id();
  }

  // The next records; of `segments` segments among them.
  std::vector<index::Record> Next(size_t segments) {
    std::vector<index::Record> records;
    if (next_ == 0) AddSettings(records);
    for (size_t i = 0; i < segments; ++i, ++next_) {
      live_.push_back(Segment());
      records.emplace_back(live_.back());
      if (next_ % 7 == 3) AddGap(records);
      if (next_ % 10 == 9) Lose(records);
      if (next_ % 50 == 17) AddMarker(records);
      if (next_ % 100 == 60) AddPeople(records);
    }
    return records;
  }

  const std::vector<index::Seal>& live() const { return live_; }
  const std::vector<index::Marker>& holds() const { return holds_; }

 private:
  static CameraId Camera(uint64_t number) {
    return CameraId::Parse("cam-" + std::to_string(number % kCameras)).value();
  }
  Uuid Id() {
    Uuid id;
    for (uint8_t& byte : id.bytes) byte = static_cast<uint8_t>(random_());
    return id;
  }
  TimeUs Start(uint64_t number) const {
    return kEvening + static_cast<int64_t>(number / kCameras) * kUsPerMinute +
           static_cast<int64_t>(number % kCameras) * 1'003;
  }

  static void AddSettings(std::vector<index::Record>& records) {
    for (int i = 0; i < kCameras; ++i) {
      index::Camera camera;
      camera.id = Camera(static_cast<uint64_t>(i));
      camera.name = "路口 " + std::to_string(i);
      camera.url = "rtsp://10.0.0." + std::to_string(i) + "/1";
      records.emplace_back(camera);
      index::Policy policy;
      policy.scope = i == 0 ? "default" : camera.id.text();
      policy.version = 1;
      policy.max_days = 30;
      policy.person = "li.wei";
      records.emplace_back(policy);
    }
    index::Person person;
    person.name = "li.wei";
    person.admin = true;
    records.emplace_back(person);
  }

  index::Seal Segment() {
    const StreamId stream{Camera(next_), Stream::kMain};
    SyntheticRun::Options small;
    small.frames_per_second = 1;
    small.frames_per_gop = 2;
    small.frame_bytes = 150;
    SyntheticRun run(stream, Start(next_), small);
    media::Fragment fragment = run.Next();
    storage::SegmentIndex index;
    index.header.store = options_.store;
    index.header.volume = options_.volume;
    index.header.run = runs_[next_ % kCameras];
    index.header.stream = stream;
    index.header.epoch = 1;
    index.header.sequence = static_cast<uint32_t>(next_ / kCameras);
    index.header.start_us = fragment.info.start_us;
    index.init = run.info().init;
    Bytes bytes = index.init;
    const auto append = [&bytes](ByteSpan more) { ByteWriter(bytes).Raw(more); };
    append(storage::EncodeSegmentHeader(index.header));
    const size_t offset = bytes.size();
    index.fragments.push_back({offset, fragment.info});
    for (const auto& part : fragment.parts) append(part);
    const uint64_t digest = Xxh3_64(ByteSpan(bytes).subspan(offset));
    append(storage::EncodeFragmentTrailer(index.header.run, fragment.info, digest));
    append(storage::EncodeSegmentEnd(index, Xxh3_128(bytes)));
    index.closed = true;
    index.file_bytes = bytes.size();
    const index::Seal seal = storage::SealOf(index, Sha256(bytes));
    Write(seal, bytes);
    return seal;
  }

  void Write(const index::Seal& seal, ByteSpan bytes) {
    if (options_.root.empty()) return;
    const std::string path = PathOf(seal);
    const std::string directory = path.substr(0, path.rfind('/'));
    if (directory != made_) LB_CHECK(files_.MakeDirectories(directory).has_value());
    made_ = directory;
    auto file = files_.Open(path, OpenMode::kCreateNew);
    LB_CHECK(file.has_value());
    LB_CHECK((*file)->WriteAt(0, std::span(&bytes, 1)).has_value());
  }
  std::string PathOf(const index::Seal& seal) const {
    return options_.root + "/" + storage::SegmentPath(index::KeyOf(seal));
  }

  void AddGap(std::vector<index::Record>& records) {
    const TimeUs start_us = live_.back().end_us;
    records.emplace_back(
        index::Gap{live_.back().stream,
                   {start_us, start_us + 1 + static_cast<int64_t>(random_() % kUsPerHour)},
                   next_ % 2 == 0 ? index::GapCause::kNetwork : index::GapCause::kCameraFault,
                   "refused"});
  }

  // One of them is deleted by policy, or was found to be gone.
  void Lose(std::vector<index::Record>& records) {
    const size_t victim = random_() % live_.size();
    const index::Seal seal = live_[victim];
    live_[victim] = live_.back();
    live_.pop_back();
    if (next_ % 20 == 9) {
      records.emplace_back(
          index::Delete{index::KeyOf(seal), seal.end_us, seal.bytes, "default/1", "30 days"});
    } else {
      records.emplace_back(index::Missing{index::KeyOf(seal), seal.end_us});
    }
    if (!options_.root.empty()) LB_CHECK(files_.Remove(PathOf(seal)).has_value());
  }

  void AddMarker(std::vector<index::Record>& records) {
    index::Marker marker;
    marker.id = Id();
    marker.cameras = {Camera(next_), Camera(next_ + 5)};
    marker.range = {live_.back().start_us, live_.back().end_us};
    marker.label = "white van";
    marker.hold = next_ % 100 == 17;
    marker.person = "li.wei";
    records.emplace_back(marker);
    if (marker.hold) holds_.push_back(marker);
    if (marker.hold && holds_.size() % 3 == 0) {
      records.emplace_back(index::MarkerRemoved{holds_.front().id, true, "li.wei", "case closed"});
      holds_.erase(holds_.begin());
    }
  }

  void AddPeople(std::vector<index::Record>& records) {
    index::Act act;
    act.person = "li.wei";
    act.cameras = {Camera(next_)};
    act.what = "clip.mp4";
    records.emplace_back(act);
    index::Upkeep note;
    note.camera = Camera(next_);
    note.at_us = Start(next_);
    note.text = "lens cleaned";
    records.emplace_back(note);
    index::Alarm alarm;
    alarm.id = Id();
    alarm.kind = "camera-down";
    alarm.camera = Camera(next_);
    alarm.since_us = Start(next_);
    records.emplace_back(alarm);
    if (next_ % 200 != 60) return;
    records.emplace_back(index::AlarmAcknowledged{alarm.id, Start(next_) + 1, "li.wei", "seen"});
    alarm.until_us = Start(next_) + kUsPerMinute;
    records.emplace_back(alarm);
  }

  const Options options_;
  FileSystem& files_;
  std::mt19937_64 random_;
  std::array<Uuid, kCameras> runs_;
  uint64_t next_ = 0;
  std::string made_;
  std::vector<index::Seal> live_;
  std::vector<index::Marker> holds_;  // In force.
};

}  // namespace lookback::test
