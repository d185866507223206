#include "query/picture.h"

namespace lookback::query {
namespace {

// Of a clip that is hardly longer than its first picture, libavformat leaves out what comes behind
// it in decoding order, and may belong to it.
constexpr int64_t kClipUs = kUsPerSecond;

// A clip where a file is wanted.
class ClipFile final : public File {
 public:
  explicit ClipFile(const Clip& clip) : clip_(clip) {}

  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> into) const override {
    return offset >= clip_.size() ? Result<size_t>(size_t{0}) : clip_.Read(offset, into);
  }
  Result<uint64_t> Size() const override { return clip_.size(); }

  Status WriteAt(uint64_t, std::span<const ByteSpan>) override { return Refuse(); }
  Status Sync() override { return Refuse(); }
  Status SyncFileSystem() override { return Refuse(); }
  Status Truncate(uint64_t) override { return Refuse(); }
  Status Reserve(uint64_t, uint64_t) override { return Refuse(); }

 private:
  static Status Refuse() { return Fail(Code::kUnsupported, "a clip is only read"); }

  const Clip& clip_;
};

}  // namespace

Result<Picture> Picture::Find(storage::Footage& footage, const StreamId& stream, TimeUs instant_us,
                              TimeUs now_us) {
  ClipRequest request;
  request.stream = stream;
  request.range = {instant_us, instant_us + kClipUs};
  request.audio = false;
  LB_TRY_ASSIGN(clip, Clip::Plan(footage, request, now_us));
  if (clip->report().shown.start_us > instant_us) {
    return Fail(Code::kNotFound, stream.text() + " has its next picture at " +
                                     FormatTime(clip->report().shown.start_us));
  }
  return Picture(std::move(clip));
}

Result<Bytes> Picture::Decode(media::WhichPicture which, uint32_t width, const Clock& clock,
                              int64_t timeout_us) const {
  auto picture = media::MakePicture(ClipFile(*clip_), which, width, clock, timeout_us);
  if (picture || picture.code() != Code::kCorrupt) return picture;
  if (clip_->broken()) return Fail(Code::kCorrupt, "footage that the picture needs is damaged");
  return Fail(Code::kUnsupported, picture.message());
}

}  // namespace lookback::query
