// Whole files of the containers that are opened (corpus: a few pictures by ffmpeg 5.1, of its
// testsrc2 at 32x32, in each container). What comes out is within the limits and can be inspected.

#include <algorithm>

#include "media/demuxer.h"
#include "media/fragment.h"

namespace {

using namespace lookback;

class MemoryFile : public File {
 public:
  explicit MemoryFile(ByteSpan bytes) : bytes_(bytes) {}
  Status WriteAt(uint64_t, std::span<const ByteSpan>) override { return Refused(); }
  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> into) const override {
    if (offset >= bytes_.size()) return size_t{0};
    const ByteSpan rest = bytes_.subspan(offset);
    const size_t count = std::min(rest.size(), into.size());
    std::copy_n(rest.begin(), count, into.begin());
    return count;
  }
  Status Sync() override { return Refused(); }
  Status SyncFileSystem() override { return Refused(); }
  Status Truncate(uint64_t) override { return Refused(); }
  Status Reserve(uint64_t, uint64_t) override { return Refused(); }
  Result<uint64_t> Size() const override { return bytes_.size(); }

 private:
  static Status Refused() { return Fail(Code::kUnsupported, "read only"); }
  const ByteSpan bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr int kMaxSamples = 1'000;
  const MemoryFile file({data, size});
  const ManualClock clock(0);
  const std::atomic<bool> stop{false};
  media::Demuxer::Options options;
  options.audio = true;
  auto demuxer = media::Demuxer::OpenFile(file, options, clock, stop);
  if (!demuxer) return 0;
  const auto& tracks = (*demuxer)->tracks();
  LB_CHECK(!tracks.empty() && tracks.size() <= 2);
  LB_CHECK(tracks[0].kind == media::TrackKind::kVideo);
  for (int i = 0; i < kMaxSamples; ++i) {
    const auto sample = (*demuxer)->Next();
    if (!sample || !*sample) break;
    LB_CHECK(!(*sample)->data.empty());
    LB_CHECK((*sample)->data.size() <= media::kMaxSampleBytes);
    LB_CHECK((*sample)->track == media::TrackKind::kVideo || tracks.size() == 2);
  }
  return 0;
}
