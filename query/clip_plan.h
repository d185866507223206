// query/clip_plan.h: decides every byte of a clip before the first one is read.
//
// Invariant: head and payload together are the file; each payload piece lies in a source
//            fragment or the texts. Memory is that of the sample tables: about 3 MB for two
//            hours of pictures and sound.
// Threads:   any.
// Errors:    of Clip::Plan.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "query/clip.h"
#include "query/sample_tables.h"
#include "query/stretch.h"

namespace lookback::query {

// An H.265 sample with which decoding starts anew behind other pictures (media::MarkH265Splice).
struct Splice {
  uint32_t skip = 0;  // Of its first byte, from the fragment's start.
  uint32_t bytes = 0;

  // None where the sample at `sample` needs no mark.
  static Splice At(const LoadedSegment& segment, const media::FragmentTrack& track, size_t sample);
};

// A fragment that payload comes from. It is read whole, so that its digest can be checked.
struct SourceFragment {
  uint32_t file = 0;  // In ClipParts::files.
  uint64_t offset = 0;
  uint32_t length = 0;
  uint32_t number = 0;
  TimeRange range;
  Splice splice;

  static SourceFragment Of(uint32_t file, const storage::SegmentFragment& fragment);
};

struct SourceFile {
  storage::FootageSegment segment;
  Uuid run;
};

struct ClipParts {
  Bytes head;
  Payload payload;
  Bytes texts;  // That the payload has pieces of.
  std::vector<SourceFragment> fragments;
  std::vector<SourceFile> files;
  ClipReport report;
  std::string etag;
};

// A file of those parts, which exists only while it is read. `readers`: of Clip::Plan().
std::shared_ptr<const Clip> MakeVirtualFile(storage::Footage& footage, ClipParts parts,
                                            std::shared_ptr<IdleReaders> readers,
                                            storage::ReadPins::Pin pin = {});

Result<ClipParts> PlanClip(storage::Footage& footage, const ClipRequest& request, TimeUs now_us);

}  // namespace lookback::query
