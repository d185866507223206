// query/fragment_loader.h: stored fragments, each verified before a byte of it leaves, from the
// first file of its segment that has it as it was written.
//
// Invariant: what Load() gives agreed with its digest, and was marked after that where it has a
//            splice. What does not agree is noted in Footage::damage(), so that each later answer
//            leaves it out and says so, unless another file has it.
// Threads:   one at a time.
// Errors:    kCorrupt when no file has the fragment as it was; else of Footage::Open().
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "query/clip_plan.h"

namespace lookback::query {

class FragmentLoader {
 public:
  static constexpr size_t kMaxOpenFiles = 4;  // That stay open between reads.

  explicit FragmentLoader(storage::Footage& footage) : footage_(footage) {}

  // The fragment, and behind it its LKFR; `buffer` grows to hold them.
  Status Load(const SourceFile& file, const SourceFragment& fragment, Bytes& buffer);

 private:
  struct OpenEntry {
    index::SegmentKey segment;
    size_t nth;
    std::unique_ptr<File> file;
  };

  Result<const File*> Open(const SourceFile& file, size_t nth);
  std::string NoteDamage(const SourceFile& file, const SourceFragment& fragment,
                         std::string_view what, bool everywhere);

  storage::Footage& footage_;
  std::deque<OpenEntry> open_;
};

}  // namespace lookback::query
