// bench/catalog_footage.h: footage as far as a catalog knows it: rows of segments, and no gaps.
//
// Threads:   one.
// Errors:    kUnsupported where a file is asked for; who has files overrides Index() and Open().
#pragma once

#include <memory>
#include <vector>

#include "index/catalog.h"
#include "storage/footage.h"

namespace lookback::bench {

class CatalogFootage : public storage::Footage {
 public:
  explicit CatalogFootage(const index::Catalog& catalog) : catalog_(catalog) {}

  Result<std::vector<storage::FootageSegment>> Segments(const StreamId& stream,
                                                        TimeRange range) override {
    std::vector<storage::FootageSegment> found;
    LB_TRY(catalog_.VisitSegments(stream, range, [&found](const index::Seal& row) {
      found.push_back({row, nullptr});
      return true;
    }));
    return found;
  }
  Result<std::vector<index::Gap>> Gaps(const StreamId&, TimeRange) override {
    return std::vector<index::Gap>();
  }
  Result<std::shared_ptr<const storage::SegmentIndex>> Index(
      const storage::FootageSegment&) override {
    return Fail(Code::kUnsupported, "rows only");
  }
  Result<std::unique_ptr<File>> Open(const storage::FootageSegment&, size_t) override {
    return Fail(Code::kUnsupported, "rows only");
  }

 protected:
  const index::Catalog& catalog_;
};

}  // namespace lookback::bench
