#include "query/fragment_loader.h"

#include <algorithm>
#include <optional>

#include "media/h265.h"
#include "storage/segment_reader.h"

namespace lookback::query {

Status FragmentLoader::Load(const SourceFile& file, const SourceFragment& fragment, Bytes& buffer) {
  const storage::FragmentPlace place{file.run, fragment.number, fragment.offset, fragment.length};
  std::string damage;          // Of the first file that has it otherwise.
  std::optional<Error> error;  // Of the first that cannot be read.
  for (size_t nth = 0;; ++nth) {
    const auto opened = Open(file, nth);
    if (!opened && damage.empty()) return Pass(error ? *error : opened.error());
    if (!opened) {
      return Fail(Code::kCorrupt, NoteDamage(file, fragment, damage, /*everywhere=*/true));
    }
    const auto problem = storage::ReadFragment(**opened, place, buffer);
    if (problem && problem->empty()) break;
    if (problem && damage.empty()) damage = *problem;
    if (!problem && !error) error = problem.error();
  }
  if (!damage.empty()) (void)NoteDamage(file, fragment, damage, /*everywhere=*/false);
  const Splice& splice = fragment.splice;
  if (splice.bytes > 0) media::MarkH265Splice({buffer.data() + splice.skip, splice.bytes});
  return Ok();
}

// For all to see. Where it is `everywhere`, each later answer leaves the fragment out and says so.
std::string FragmentLoader::NoteDamage(const SourceFile& file, const SourceFragment& fragment,
                                       std::string_view what, bool everywhere) {
  const index::Seal& row = file.segment.row;
  storage::Damage damage = storage::DamagedFragment(row, file.run, fragment.number, fragment.range,
                                                    fragment.offset, what);
  damage.everywhere = everywhere && !footage_.HasFileAway(index::KeyOf(row));
  std::string sentence = row.stream.text() + ", " + damage.what;
  footage_.damage().Add(std::move(damage));
  return sentence;
}

Result<const File*> FragmentLoader::Open(const SourceFile& file, size_t nth) {
  const index::SegmentKey key = index::KeyOf(file.segment.row);
  const auto known = std::find_if(open_.begin(), open_.end(), [&](const OpenEntry& entry) {
    return entry.segment == key && entry.segment.thinned == key.thinned && entry.nth == nth;
  });
  if (known != open_.end()) return known->file.get();
  LB_TRY_ASSIGN(opened, footage_.Open(file.segment, nth));
  if (open_.size() == kMaxOpenFiles) open_.pop_front();
  open_.push_back({key, nth, std::move(opened)});
  return open_.back().file.get();
}

}  // namespace lookback::query
