// tests/storage/scrubber_fixture.h: a store with segments of known fragments, a scrubber over it,
// and a disk that loses a byte.
#pragma once

#include <algorithm>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "storage/scrubber.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/forwarding_file.h"

namespace lookback::storage {

// A place in a file, by a walk over its boxes (ISO/IEC 14496-12 §4.2) that knows nothing of ours
// but the names of LKSG, LKFR and LKEN.
struct Place {
  uint64_t end = 0;
  int fragment = 0;  // From 0; -1: the head, -2: LKEN.
};
inline std::vector<Place> PlacesOf(const Bytes& file) {
  std::vector<Place> places;
  int fragment = -1;
  for (uint64_t at = 0; at < file.size();) {
    const uint64_t size = ByteReader(ByteSpan(file).subspan(at)).U32();
    const std::string name(AsText(ByteSpan(file).subspan(at + 4, 8)));
    at += size;
    places.push_back({at, name == "uuidLKEN" ? -2 : fragment});
    if (name == "uuidLKSG" || name == "uuidLKFR") ++fragment;
  }
  return places;
}

// A disk that does not give back one byte of one file.
class BadSectorDisk : public test::FaultFileSystem {
 public:
  using FaultFileSystem::FaultFileSystem;

  class BadFile : public test::ForwardingFile {
   public:
    BadFile(std::unique_ptr<File> below, uint64_t bad)
        : ForwardingFile(std::move(below)), bad_(bad) {}

    Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> into) const override {
      if (offset <= bad_ && bad_ < offset + into.size()) {
        return Fail(Code::kDiskFailed, "read: Input/output error");
      }
      return ForwardingFile::ReadAt(offset, into);
    }

   private:
    const uint64_t bad_;
  };

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    LB_TRY_ASSIGN(file, FaultFileSystem::Open(path, mode));
    if (path != bad_path) return file;
    return std::unique_ptr<File>(std::make_unique<BadFile>(std::move(file), bad_offset));
  }

  std::string bad_path;
  uint64_t bad_offset = 0;
};

class ScrubberTest : public StoreFixture {
 protected:
  static constexpr int64_t kLengthUs = 10 * kUsPerSecond;

  struct Recorded {
    index::Seal row;
    std::vector<media::FragmentInfo> fragments;  // As they were given to the archive.
  };

  void SetUp() override {
    StoreFixture::SetUp();
    files_.reset();
    auto disk = std::make_unique<BadSectorDisk>(*posix_, root_);
    disk_ = disk.get();
    files_ = std::move(disk);
    ASSERT_OK(Open());
  }
  void TearDown() override {
    scrubber_.reset();
    StoreFixture::TearDown();
  }

  void Record(const StreamId& stream, int64_t age_us, bool audio = false,
              size_t frame_bytes = 100) {
    test::SyntheticRun::Options options;
    options.audio = audio;
    options.frame_bytes = frame_bytes;
    test::SyntheticRun run(stream, clock_.NowUs() - age_us, options);
    std::vector<media::Fragment> fragments = run.Until(kLengthUs);
    Recorded recorded;
    for (const media::Fragment& fragment : fragments) recorded.fragments.push_back(fragment.info);
    AppendAll(Begin(run), std::move(fragments));
    recordings_.pop_back();
    ASSERT_OK(archive().Drain());
    for (const FootageSegment& segment : Segments(stream)) {
      if (segment.row.start_us == recorded.fragments.front().start_us) recorded.row = segment.row;
    }
    ASSERT_EQ(recorded.row.fragments, recorded.fragments.size());
    recorded_.push_back(std::move(recorded));
  }
  // So many segments of three streams.
  void RecordMany(int count) {
    const StreamId streams[] = {gate_, test::MakeStream("gate", Stream::kSub),
                                test::MakeStream("yard")};
    for (int i = 0; i < count; ++i) {
      Record(streams[i % 3], kUsPerHour - i * kUsPerMinute, i % 2 == 0);
    }
  }

  Scrubber& scrubber() {
    if (!scrubber_) scrubber_ = Scrubber::Open(*store_, clock_, *files_, options_of_scrub_);
    return *scrubber_;
  }
  bool LetTimePass(int64_t us) {
    clock_.Advance(us);
    ++waits_;
    return !on_wait_ || on_wait_();
  }
  void RunDue() {
    scrubber().RunDue([this](int64_t us) { return LetTimePass(us); });
  }
  void RunPass() {
    scrubber().BeginPass();
    RunDue();
  }
  // Stops the pass once so many segments were checked.
  void RunUntil(uint64_t segments) {
    on_wait_ = [this, segments] { return Scrub().pass.segments < segments; };
    RunDue();
    on_wait_ = nullptr;
  }
  VolumeScrub Scrub() { return scrubber().Report().front().scrub; }
  std::vector<Damage> Found() { return archive().damage().All(); }

  Bytes ReadAll(const index::Seal& row) {
    const auto bytes = ReadFile(*posix_, FileOf(row), uint64_t{1} << 30);
    EXPECT_TRUE(bytes.has_value());
    return bytes ? *bytes : Bytes();
  }
  void WriteAll(const index::Seal& row, ByteSpan bytes) {
    std::ofstream file(FileOf(row), std::ios::binary | std::ios::trunc);
    file << AsText(bytes);
    ASSERT_TRUE(file.good());
  }
  void Flip(const index::Seal& row, uint64_t bit) {
    Bytes bytes = ReadAll(row);
    ASSERT_LT(bit / 8, bytes.size());
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    WriteAll(row, bytes);
  }

  // What has to be named when a byte at `offset` is another one.
  std::tuple<index::SegmentKey, uint32_t, TimeUs, TimeUs> Expected(const Recorded& recorded,
                                                                   const Bytes& file,
                                                                   uint64_t offset) {
    const auto places = PlacesOf(file);
    EXPECT_EQ(places.back().end, file.size());
    const auto place = std::find_if(places.begin(), places.end(),
                                    [offset](const Place& p) { return offset < p.end; });
    const index::SegmentKey key = index::KeyOf(recorded.row);
    if (place->fragment < 0) {
      return {key, kWholeSegment, recorded.row.start_us, recorded.row.end_us};
    }
    const media::FragmentInfo& info = recorded.fragments.at(place->fragment);
    return {key, info.number, info.start_us, info.end_us};
  }

  const Recorded& Only() { return recorded_.front(); }
  Damage OnlyDamage() {
    const auto found = Found();
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? Damage() : found.front();
  }
  void ExpectWhole(const index::Seal& row, const std::string& said,
                   index::GapCause cause = index::GapCause::kCorrupt) {
    const Damage damage = OnlyDamage();
    EXPECT_EQ(damage.segment, index::KeyOf(row));
    EXPECT_EQ(damage.fragment, kWholeSegment);
    EXPECT_EQ(damage.range, row.range());
    EXPECT_EQ(damage.cause, cause);
    EXPECT_NE(damage.what.find(said), std::string::npos) << damage.what;
  }

  BadSectorDisk* disk_ = nullptr;
  Scrubber::Options options_of_scrub_;
  std::vector<Recorded> recorded_;
  std::unique_ptr<Scrubber> scrubber_;
  std::function<bool()> on_wait_;
  uint64_t waits_ = 0;
};

}  // namespace lookback::storage
