#include "storage/ledger_mend.h"

#include <algorithm>

#include "storage/ledger_leaves.h"

namespace lookback::storage {
namespace {

constexpr uint64_t kMendedAtOnce = 1 << 20;

// A stretch of a file: bytes, and the numbers of the records that they hold or ought to hold.
struct Piece {
  uint64_t first = 0;
  uint64_t end = 0;
  uint64_t offset = 0;
  uint64_t length = 0;
  bool whole = false;
};

// A file as it stands.
struct Anatomy {
  std::unique_ptr<File> file;  // nullptr: there is none.
  bool header = false;         // Is good.
  std::vector<Piece> pieces;   // In order, up to the last whole record below `end`.
  Piece tail;                  // What lacks behind them, and the bytes there.

  bool perfect() const {
    return header && tail.first == tail.end &&
           std::all_of(pieces.begin(), pieces.end(), [](const Piece& p) { return p.whole; });
  }
};

Result<Anatomy> Dissect(const std::string& path, uint64_t first, uint64_t end, FileSystem& files) {
  Anatomy anatomy;
  anatomy.tail = {first, end, kLedgerHeaderBytes, 0, false};
  auto opened = files.Open(path, OpenMode::kRead);
  if (!opened && opened.code() == Code::kNotFound) return anatomy;
  if (!opened) return Pass(opened.error());
  anatomy.file = std::move(*opened);
  LB_TRY_ASSIGN(size, anatomy.file->Size());
  Bytes head(kLedgerHeaderBytes);
  LB_TRY_ASSIGN(read, anatomy.file->ReadAt(0, head));
  anatomy.header = ParseLedgerHeader(ByteSpan(head).first(read)).has_value();

  LedgerWalker walker(*anatomy.file, kLedgerHeaderBytes, size);
  uint64_t next = first, offset = kLedgerHeaderBytes;
  LedgerRecord record;
  while (next < end) {
    LB_TRY_ASSIGN(more, walker.NextAround(next, record));
    if (!more || record.number >= end) break;
    const uint64_t behind = walker.offset(), at = behind - record.bytes();
    if (at != offset || record.number != next) {
      anatomy.pieces.push_back({next, record.number, offset, at - offset, false});
    }
    if (anatomy.pieces.empty() || !anatomy.pieces.back().whole) {
      anatomy.pieces.push_back({record.number, record.number, at, 0, true});
    }
    anatomy.pieces.back().length = behind - anatomy.pieces.back().offset;
    next = anatomy.pieces.back().end = record.number + 1;
    offset = behind;
  }
  anatomy.tail = {next, end, offset, size - std::min(offset, size), false};
  return anatomy;
}

// Records of others, as bytes, by number.
using Found = std::map<uint64_t, Bytes>;

Status Seek(const std::string& directory, const Piece& lost,
            const std::vector<const Ledger*>& others, FileSystem& files, Found& found) {
  if (lost.first == lost.end) return Ok();
  LB_TRY_ASSIGN(leaves, LedgerLeaves::Read(directory, lost.first, lost.end, files));
  for (const Ledger* other : others) {
    LB_TRY(other->ReadRaw(lost.first, [&, &kept = leaves](const LedgerRecord& record) {
      if (record.number >= lost.end) return false;
      const Sha256Digest leaf = LeafHash(record);
      const ByteSpan own = ByteSpan(kept).subspan(
          static_cast<size_t>(record.number - lost.first) * kLeafBytes, kLeafBytes);
      if (IsAbsentLeaf(own) || std::equal(own.begin(), own.end(), leaf.begin())) {
        Bytes& bytes = found[record.number];
        if (bytes.empty()) AppendLedgerRecord(bytes, record);
      }
      return record.number + 1 < lost.end;
    }));
  }
  return Ok();
}

// How many of its first records were found.
uint64_t FoundOf(const Piece& lost, const Found& found) {
  uint64_t count = 0;
  while (lost.first + count < lost.end && found.contains(lost.first + count)) ++count;
  return count;
}

Status AppendFound(uint64_t first, uint64_t count, const Found& found, FileReplacement& file) {
  for (uint64_t number = first; number < first + count; ++number) {
    LB_TRY(file.Append(found.at(number)));
  }
  return Ok();
}

// Writes the file anew; how many records it got.
Result<uint64_t> WriteMended(const std::string& path, const Uuid& store, uint64_t first,
                             const Anatomy& anatomy, const Found& found, FileSystem& files) {
  uint64_t mended = 0;
  LB_TRY_ASSIGN(file, FileReplacement::Begin(path, files));
  LB_TRY(file.Append(EncodeLedgerHeader({kLedgerFormatVersion, store, first})));
  for (const Piece& piece : anatomy.pieces) {
    const uint64_t count = piece.end - piece.first;
    if (!piece.whole && FoundOf(piece, found) == count) {
      LB_TRY(AppendFound(piece.first, count, found, file));
      mended += count;
    } else {
      LB_TRY(file.AppendFrom(*anatomy.file, piece.offset, piece.length));
    }
  }
  const uint64_t more = FoundOf(anatomy.tail, found);
  LB_TRY(AppendFound(anatomy.tail.first, more, found, file));
  if (more == 0 && anatomy.file) {
    LB_TRY(file.AppendFrom(*anatomy.file, anatomy.tail.offset, anatomy.tail.length));
  }
  LB_TRY(file.Finish());
  return mended + more;
}

}  // namespace

Result<FileReplacement> FileReplacement::Begin(const std::string& path, FileSystem& files) {
  const std::string fresh = path + ".new";
  if (Exists(files, fresh)) LB_TRY(files.Remove(fresh));
  LB_TRY_ASSIGN(file, files.Open(fresh, OpenMode::kCreateNew));
  return FileReplacement(path, std::move(file), files);
}

Status FileReplacement::Append(ByteSpan bytes) {
  LB_TRY(file_->WriteAt(written_, std::span(&bytes, 1)));
  written_ += bytes.size();
  return Ok();
}

Status FileReplacement::AppendFrom(const File& file, uint64_t offset, uint64_t length) {
  Bytes piece;
  for (uint64_t done = 0; done < length; done += piece.size()) {
    piece.resize(static_cast<size_t>(std::min(kMendedAtOnce, length - done)));
    LB_TRY_ASSIGN(read, file.ReadAt(offset + done, piece));
    if (read < piece.size()) {
      return Fail(Code::kDiskFailed, path_ + " cannot be made: what it is copied from is shorter");
    }
    LB_TRY(Append(piece));
  }
  return Ok();
}

Status FileReplacement::Finish() {
  LB_TRY(file_->Sync());
  file_.reset();
  LB_TRY(files_->Rename(path_ + ".new", path_));
  return files_->SyncDirectory(path_.substr(0, path_.rfind('/')));
}

Result<std::map<uint64_t, Sha256Digest>> WholeRecords(const std::string& path, uint64_t first,
                                                      uint64_t end, FileSystem& files) {
  std::map<uint64_t, Sha256Digest> whole;
  const auto file = files.Open(path, OpenMode::kRead);
  if (!file && file.code() == Code::kNotFound) return whole;
  if (!file) return Pass(file.error());
  LB_TRY_ASSIGN(size, (*file)->Size());
  LedgerWalker walker(**file, kLedgerHeaderBytes, size);
  LedgerRecord record;
  for (uint64_t next = first; next < end; next = record.number + 1) {
    LB_TRY_ASSIGN(more, walker.NextAround(next, record));
    if (!more || record.number >= end) break;
    whole.emplace_hint(whole.end(), record.number, LeafHash(record));
  }
  return whole;
}

Result<uint64_t> MendLedgerFile(const std::string& directory, const Uuid& store, uint64_t first,
                                uint64_t end, const std::vector<const Ledger*>& others,
                                FileSystem& files) {
  const std::string path = JoinPath(directory, LedgerFileName(first));
  LB_TRY_ASSIGN(anatomy, Dissect(path, first, end, files));
  if (anatomy.perfect()) return 0;
  Found found;
  for (const Piece& piece : anatomy.pieces) {
    if (!piece.whole) LB_TRY(Seek(directory, piece, others, files, found));
  }
  LB_TRY(Seek(directory, anatomy.tail, others, files, found));
  const bool any = FoundOf(anatomy.tail, found) > 0 ||
                   std::any_of(anatomy.pieces.begin(), anatomy.pieces.end(), [&](const Piece& p) {
                     return !p.whole && FoundOf(p, found) == p.end - p.first;
                   });
  if (!any) return 0;
  return WriteMended(path, store, first, anatomy, found, files);
}

// The leaves and the newest file go first: what a power cut leaves in place is a shorter ledger.
Result<std::string> SetLedgerApart(const std::string& directory, uint32_t epoch,
                                   FileSystem& files) {
  LB_TRY_ASSIGN(entries, files.List(directory));
  std::erase_if(entries, [](const DirEntry& entry) {
    uint64_t first = 0;
    const bool ours = entry.name == kLeavesFile || ParseLedgerFileName(entry.name, first);
    return entry.is_directory || !ours;
  });
  if (entries.empty()) return std::string();
  const std::string apart = FreeName(files, JoinPath(directory, "apart-" + std::to_string(epoch)));
  LB_TRY(files.MakeDirectories(apart));
  std::sort(entries.begin(), entries.end(),
            [](const DirEntry& a, const DirEntry& b) { return a.name > b.name; });
  for (const DirEntry& entry : entries) {
    LB_TRY(files.Rename(JoinPath(directory, entry.name), JoinPath(apart, entry.name)));
  }
  LB_TRY(files.SyncDirectory(apart));
  LB_TRY(files.SyncDirectory(directory));
  return apart;
}

}  // namespace lookback::storage
