// query/picture.h: the picture of an instant: what the clip that begins there shows first.
//
// Invariant: so it is the camera's own, of footage that is on record, and each fragment is checked
//            against its digest before it is decoded.
// Threads:   any; immutable. The footage must outlive it.
// Errors:    kNotFound when no picture was on screen then (the message names the cause);
//            of Clip::Plan and of media/picture.h. kCorrupt where a file is damaged; kUnsupported
//            where it is what the camera sent, and no picture.
#pragma once

#include <memory>
#include <string>

#include "media/picture.h"
#include "query/clip.h"

namespace lookback::query {

class Picture {
 public:
  static Result<Picture> Find(storage::Footage& footage, const StreamId& stream, TimeUs instant_us,
                              TimeUs now_us);

  TimeUs shown_us() const { return clip_->report().shown.start_us; }  // From when on it was shown.
  const std::string& etag() const { return clip_->etag(); }           // Of what it is made from.

  // As JPEG. With kFirstStored it is the sync sample before it: of some seconds earlier, and cheap.
  Result<Bytes> Decode(media::WhichPicture which, uint32_t width, const Clock& clock,
                       int64_t timeout_us) const;

 private:
  explicit Picture(std::shared_ptr<const Clip> clip) : clip_(std::move(clip)) {}

  std::shared_ptr<const Clip> clip_;
};

}  // namespace lookback::query
