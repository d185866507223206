#include "storage/snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "storage/ledger_leaves.h"

namespace lookback::storage {
namespace {

constexpr std::string_view kSnapshotSuffix = ".lks";
constexpr std::string_view kUnfinished = ".new";
constexpr size_t kNameDigits = 16;

std::string NameOf(uint64_t records) { return fmt::format("{:016x}{}", records, kSnapshotSuffix); }

bool ParseName(std::string_view name, uint64_t& records) {
  if (name.size() != kNameDigits + kSnapshotSuffix.size() || !name.ends_with(kSnapshotSuffix))
    return false;
  const char* const end = name.data() + kNameDigits;
  const auto [rest, error] = std::from_chars(name.data(), end, records, 16);
  return error == std::errc() && rest == end && NameOf(records) == name;
}

Result<Sha256Digest> LeafOf(const Ledger& ledger, uint64_t record) {
  LB_TRY_ASSIGN(leaves, ledger.Leaves(record, record + 1));
  Sha256Digest leaf{};
  std::copy_n(leaves.begin(), std::min(leaves.size(), leaf.size()), leaf.begin());
  return leaf;
}

// A file that grows, synced piece by piece.
class Output {
 public:
  Output(std::unique_ptr<File> file, std::string directory, FileSystem& files,
         const std::function<bool()>& go_on)
      : file_(std::move(file)), directory_(std::move(directory)), files_(files), go_on_(go_on) {}

  uint64_t bytes() const { return bytes_; }

  Status Append(ByteSpan part) {
    LB_TRY(file_->WriteAt(bytes_, std::span(&part, 1)));
    bytes_ += part.size();
    return bytes_ - synced_ < kSnapshotSyncBytes ? Ok() : Sync();
  }

  Status Sync() {
    if (go_on_ && !go_on_()) return Fail(Code::kUnavailable, "the snapshot was stopped");
    LB_TRY_ASSIGN(space, files_.FreeSpace(directory_));
    const auto least =
        static_cast<uint64_t>(static_cast<double>(space.total_bytes) * kSnapshotFreeShare);
    if (space.free_bytes < least) {
      return Fail(Code::kDiskFull, directory_ +
                                       " has too little room for a snapshot: what is left is for "
                                       "the ledger and the catalog");
    }
    synced_ = bytes_;
    return file_->Sync();
  }

 private:
  const std::unique_ptr<File> file_;
  const std::string directory_;
  FileSystem& files_;
  const std::function<bool()>& go_on_;
  uint64_t bytes_ = 0;
  uint64_t synced_ = 0;
};

Status WriteRows(const index::CatalogView& view, uint64_t digest, Output& out, uint64_t& rows) {
  SnapshotBlock block;
  Status written = Ok();
  LB_TRY(view.Visit([&](const index::CatalogRow& row) {
    if (block.full() || !block.Takes(row)) written = out.Append(block.Take(digest));
    block.Add(row);
    ++rows;
    return written.has_value();
  }));
  LB_TRY(written);
  if (!block.empty()) LB_TRY(out.Append(block.Take(digest)));
  LB_TRY(out.Append(EncodeSnapshotEnd(rows, digest)));
  return out.Sync();
}

// What a stop left of others.
Status RemoveUnfinished(const std::string& directory, FileSystem& files) {
  LB_TRY_ASSIGN(entries, files.List(directory));
  for (const DirEntry& entry : entries) {
    uint64_t records = 0;
    const std::string_view name(entry.name);
    if (!name.ends_with(kUnfinished)) continue;
    if (!ParseName(name.substr(0, name.size() - kUnfinished.size()), records)) continue;
    LB_TRY(files.Remove(JoinPath(directory, name)));
  }
  return Ok();
}

Status Prune(const std::string& directory, uint64_t newest, FileSystem& files) {
  LB_TRY_ASSIGN(all, ListSnapshots(directory, files));
  size_t kept = 0;
  for (const SnapshotFile& file : all) {
    // One that knows more than the ledger is of another one, and is left to whoever looks for that.
    if (file.records > newest || kept++ < kSnapshotsKept) continue;
    LB_TRY(files.Remove(file.path));
  }
  return Ok();
}

// Reads whole pieces of a file, one after another.
class Input {
 public:
  explicit Input(const File& file) : file_(file) {}

  Result<ByteSpan> Take(size_t count) {
    buffer_.resize(count);
    LB_TRY_ASSIGN(read, file_.ReadAt(offset_, buffer_));
    if (read != count) return Fail(Code::kCorrupt, "a snapshot: it ends too early");
    offset_ += count;
    return ByteSpan(buffer_);
  }
  uint64_t offset() const { return offset_; }
  void Back(size_t count) { offset_ -= count; }

 private:
  const File& file_;
  Bytes buffer_;
  uint64_t offset_ = 0;
};

// Whether all but the last eight of `bytes` have the digest that those eight are.
bool Agrees(ByteSpan bytes, uint64_t& digest) {
  const ByteSpan covered = bytes.first(bytes.size() - sizeof digest);
  digest = SnapshotDigest(digest, covered);
  return ByteReader(bytes.subspan(covered.size())).U64() == digest;
}

Status ReadRows(Input& in, uint64_t digest, uint64_t& rows,
                const std::function<Status(const index::CatalogRow&)>& visit) {
  const auto count = [&](const index::CatalogRow& row) {
    ++rows;
    return visit(row);
  };
  while (true) {
    LB_TRY_ASSIGN(head, in.Take(sizeof(uint32_t)));
    const size_t length = ByteReader(head).U32();
    in.Back(head.size());
    if (length > kMaxSnapshotBlock) return Fail(Code::kCorrupt, "a snapshot: a block is too long");
    LB_TRY_ASSIGN(block,
                  in.Take(length == 0 ? kSnapshotEndBytes : length + kSnapshotBlockOverhead));
    if (!Agrees(block, digest)) {
      return Fail(Code::kCorrupt, fmt::format("a snapshot: the checksum of {} bytes up to offset "
                                              "{} does not agree",
                                              block.size(), in.offset()));
    }
    if (length > 0) {
      LB_TRY(ParseSnapshotRows(block.subspan(sizeof(uint32_t), length), count));
      continue;
    }
    if (ByteReader(block.subspan(sizeof(uint32_t))).U64() == rows) return Ok();
    return Fail(Code::kCorrupt, "a snapshot: it has another number of rows than it says");
  }
}

// Why it is not of this ledger; empty when it is.
Result<std::string> Foreign(const SnapshotHeader& header, const Uuid& store, const Ledger& ledger) {
  if (header.store != store) return "it is of store " + header.store.text();
  if (header.catalog_format != index::CatalogFormat()) {
    return std::string("its rows are of another version of the catalog");
  }
  if (header.records > ledger.size()) {
    return fmt::format("it has {} records, the ledger {}", header.records, ledger.size());
  }
  if (header.records == 0) return std::string();
  LB_TRY_ASSIGN(leaf, LeafOf(ledger, header.records - 1));
  // Where the ledger lost that record, nothing speaks against it.
  if (IsAbsentLeaf(leaf) || IsAbsentLeaf(header.leaf) || leaf == header.leaf) return std::string();
  return fmt::format("its last record, {}, is another one on the ledger", header.records - 1);
}

}  // namespace

Result<std::vector<SnapshotFile>> ListSnapshots(const std::string& directory, FileSystem& files) {
  std::vector<SnapshotFile> all;
  const auto entries = files.List(directory);
  if (!entries && entries.code() == Code::kNotFound) return all;
  if (!entries) return Pass(entries.error());
  for (const DirEntry& entry : *entries) {
    SnapshotFile file{JoinPath(directory, entry.name), 0};
    if (!entry.is_directory && ParseName(entry.name, file.records)) all.push_back(std::move(file));
  }
  std::reverse(all.begin(), all.end());  // They were sorted by name, and so by number.
  return all;
}

Result<Snapshot> WriteSnapshot(const std::string& directory, const Uuid& store,
                               const index::Catalog& catalog, const Ledger& ledger, TimeUs now_us,
                               FileSystem& files, const std::function<bool()>& go_on) {
  LB_TRY(files.MakeDirectories(directory));
  LB_TRY(files.SyncDirectory(directory.substr(0, directory.rfind('/'))));
  LB_TRY_ASSIGN(view, index::CatalogView::Of(catalog));
  Snapshot snapshot;
  snapshot.header.catalog_format = index::CatalogFormat();
  snapshot.header.store = store;
  snapshot.header.records = view->position();
  snapshot.header.time_us = now_us;
  if (view->position() > 0) {
    LB_TRY_ASSIGN(leaf, LeafOf(ledger, view->position() - 1));
    snapshot.header.leaf = leaf;
  }
  snapshot.path = JoinPath(directory, NameOf(view->position()));
  const std::string unfinished = snapshot.path + std::string(kUnfinished);
  LB_TRY(RemoveUnfinished(directory, files));
  LB_TRY_ASSIGN(file, files.Open(unfinished, OpenMode::kCreateNew));
  const Status written = [&]() -> Status {
    Output out(std::move(file), directory, files, go_on);
    const Bytes header = EncodeSnapshotHeader(snapshot.header);
    LB_TRY(out.Append(header));
    LB_TRY(WriteRows(*view, SnapshotHeaderDigest(header), out, snapshot.rows));
    snapshot.bytes = out.bytes();
    LB_TRY(files.Rename(unfinished, snapshot.path));
    return files.SyncDirectory(directory);
  }();
  if (!written) {
    (void)files.Remove(unfinished);
    return Pass(written.error());
  }
  LB_TRY(Prune(directory, view->position(), files));
  return snapshot;
}

Result<SnapshotHeader> ReadSnapshotHeader(const std::string& path, FileSystem& files) {
  LB_TRY_ASSIGN(file, files.Open(path, OpenMode::kRead));
  Input in(*file);
  LB_TRY_ASSIGN(bytes, in.Take(kSnapshotHeaderBytes));
  return ParseSnapshotHeader(bytes);
}

Result<Snapshot> ReadSnapshot(const std::string& path, FileSystem& files,
                              const std::function<Status(const index::CatalogRow&)>& visit) {
  LB_TRY_ASSIGN(file, files.Open(path, OpenMode::kRead));
  Input in(*file);
  Snapshot snapshot;
  snapshot.path = path;
  LB_TRY_ASSIGN(head, in.Take(kSnapshotHeaderBytes));
  LB_TRY_ASSIGN(header, ParseSnapshotHeader(head));
  snapshot.header = header;
  LB_TRY(ReadRows(in, SnapshotHeaderDigest(head), snapshot.rows, visit));
  LB_TRY_ASSIGN(size, file->Size());
  if (size != in.offset()) return Fail(Code::kCorrupt, "a snapshot: it goes on behind its end");
  snapshot.bytes = size;
  return snapshot;
}

Status LoadSnapshot(const std::string& path, const Uuid& store, const Ledger& ledger,
                    index::Catalog& catalog, FileSystem& files) {
  LB_TRY_ASSIGN(header, ReadSnapshotHeader(path, files));
  LB_TRY_ASSIGN(foreign, Foreign(header, store, ledger));
  if (!foreign.empty()) return Fail(Code::kConflict, foreign);
  index::CatalogLoader loader(catalog);
  LB_TRY_ASSIGN(read, ReadSnapshot(path, files, [&loader](const index::CatalogRow& row) {
                  return loader.Add(row);
                }));
  return loader.Finish(read.header.records);
}

}  // namespace lookback::storage
