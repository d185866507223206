#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/words.h"
#include "storage/check.h"
#include "storage/layout.h"
#include "storage/ledger.h"
#include "storage/ledger_mend.h"
#include "storage/live_segment.h"
#include "storage/segment_reader.h"
#include "storage/snapshot.h"
#include "storage/stopped_store.h"
#include "storage/store_catalog.h"

namespace lookback::storage {
namespace {

constexpr size_t kGroupRecords = 500;
constexpr size_t kMaxFileNotes = 1'000;
constexpr size_t kDigestReadBytes = 1 << 20;
constexpr std::string_view kFreshLedger = "ledger.rebuilt";

Result<Sha256Digest> DigestOf(const File& file) {
  Sha256Hasher hasher;
  Bytes buffer(kDigestReadBytes);
  for (uint64_t offset = 0;;) {
    LB_TRY_ASSIGN(read, file.ReadAt(offset, buffer));
    if (read == 0) return hasher.Finish();
    hasher.Update(ByteSpan(buffer).first(read));
    offset += read;
  }
}

class FilesReader {
 public:
  FilesReader(const FromFilesOptions& options, Clock& clock, FileSystem& files,
              const OnProgress& progress)
      : options_(options), clock_(clock), files_(files), progress_(progress) {}

  Result<FromFilesReport> Run() {
    LB_TRY_ASSIGN(store, OpenStopped(options_.data, options_.volumes, files_));
    store_ = std::move(store);
    report_.notes = store_.notes;
    LB_TRY(CheckLedgers());
    LB_TRY(Begin());
    LB_TRY(TakeFromSnapshot());
    for (const auto& volume : store_.volumes) LB_TRY(ReadVolume(*volume));
    LB_TRY(Commit());
    for (const auto& [volume, found] : copies_) LB_TRY(TakeCopy(*volume, found));
    LB_TRY(AddCameras());
    // The last, so that nothing that was made before lacks it.
    records_.emplace_back(index::Rebuilt{report_.segments, /*ledger_lost=*/true});
    LB_TRY(Commit());
    LB_TRY(catalog_->Flush());
    catalog_.reset();
    ledger_.reset();
    LB_TRY(Install());
    return std::move(report_);
  }

 private:
  void Note(std::string note) {
    if (report_.notes.size() < kMaxFileNotes) report_.notes.push_back(std::move(note));
  }

  Status CheckLedgers() {
    if (options_.set_ledger_apart) return Ok();
    const LedgerPlaces places = store_.Ledgers();
    std::vector<std::string> all = places.copies;
    all.insert(all.begin(), places.ledger);
    for (const std::string& directory : all) {
      const auto ledger = Ledger::OpenReadOnly(directory, files_, &places.store);
      if (!ledger && ledger.code() == Code::kNotFound) continue;
      if (!ledger && ledger.code() == Code::kCorrupt) continue;
      if (!ledger) return Pass(ledger.error());
      if ((*ledger)->size() == 0) continue;
      return Fail(Code::kConflict,
                  fmt::format("{} is a ledger of {}: it knows holds, policies and people, "
                              "which files do not; `lookback rebuild` makes the catalog from it. "
                              "To do without it, say --set-ledger-apart",
                              directory, Count((*ledger)->size(), "record")));
    }
    return Ok();
  }

  Status Begin() {
    const std::string fresh = JoinPath(store_.data, kFreshLedger);
    LB_TRY(RemoveFlat(files_, fresh));
    LB_TRY_ASSIGN(ledger, Ledger::Open(fresh, store_.file.store, clock_, files_));
    ledger_ = std::move(ledger);
    LB_TRY_ASSIGN(catalog, BeginEmptyCatalog(store_.data, files_));
    catalog_ = std::move(catalog);
    return Ok();
  }

  // Each is read twice: nothing of one is used before all of it is known to be good, and all of it
  // is too much to keep in memory.
  Status TakeFromSnapshot() {
    LB_TRY_ASSIGN(list, ListSnapshots(JoinPath(store_.data, kSnapshotFolder), files_));
    for (const SnapshotFile& file : list) {
      const auto good = ReadSnapshot(file.path, files_, index::CheckRow);
      if (!good || good->header.store != store_.file.store) {
        Note("the snapshot " + file.path +
             " is not used: " + (good ? std::string("it is of another store") : good.message()));
        continue;
      }
      report_.snapshot = file.path;
      report_.snapshot_us = good->header.time_us;
      LB_TRY(ReadSnapshot(file.path, files_, [this](const index::CatalogRow& row) -> Status {
        auto record = index::RecordOfRow(row);
        return record ? Take(*std::move(record)) : Ok();
      }));
      return Ok();
    }
    return Ok();
  }

  Status Take(index::Record record) {
    if (const auto* camera = std::get_if<index::Camera>(&record)) known_.insert(camera->id);
    if (const auto* marker = std::get_if<index::Marker>(&record)) report_.holds += marker->hold;
    return Add(std::move(record));
  }

  Status ReadVolume(LocalVolume& volume) {
    Status read = Ok();
    const auto visit = [&](const Volume::Found& found) {
      if (progress_) progress_({"files", ++seen_, 0});
      read = ReadFile(volume, found);
      return read.has_value();
    };
    LB_TRY(volume.VisitFiles(visit, Volume::EveryDay));
    return read;
  }

  // Only what keeps the new ledger from being written is an error.
  Status ReadFile(LocalVolume& volume, const Volume::Found& found) {
    const std::string path = JoinPath(volume.root(), found.path);
    const auto leave = [&](const std::string& why) { return LeaveOut(path, why); };
    if (found.stray) return leave("it is no segment, by its name");
    const auto file = volume.Open(found.key);
    if (!file) return leave(file.message());
    const auto index = ReadClosedSegment(**file);
    if (!index && index.code() != Code::kCorrupt) return leave(index.message());
    if (!index) {
      newest_epoch_ = std::max(newest_epoch_, found.key.epoch);
      ++report_.unfinished;
      Note(path + " has no good end, and waits for the next start: " + index.message());
      return Ok();
    }
    const SegmentHeader& header = index->header;
    const index::SegmentKey own = KeyOf(header);
    const std::string other = Contradiction(*index, store_.file.store, own, index->end_us());
    if (!other.empty()) return leave(other);
    if (SegmentPath(own) != found.path) return leave("its head names " + SegmentPath(own));
    if (index->fragments.empty()) return leave("it holds no footage");
    index::SegmentKey whole = own;
    whole.thinned = false;
    if (header.thinned && volume.Open(whole)) return leave("its whole file is beside it");
    if (header.volume == volume.id()) return Seal(path, **file, *index, volume.id());
    // Written on another volume, it is a copy; of what, the other volumes tell.
    copies_.emplace_back(&volume, found);
    return Ok();
  }

  Status LeaveOut(const std::string& path, const std::string& why) {
    ++report_.left;
    Note(path + " was left out: " + why);
    return Ok();
  }

  // A copy whose segment is lost takes its place. Where that is damaged and the copy is not, its
  // bytes are those that were sealed once.
  Status TakeCopy(LocalVolume& volume, const Volume::Found& found) {
    const std::string path = JoinPath(volume.root(), found.path);
    const auto file = volume.Open(found.key);
    if (!file) return LeaveOut(path, file.message());
    const auto index = ReadClosedSegment(**file);
    if (!index) return LeaveOut(path, index.message());
    const SegmentHeader& header = index->header;
    const index::SegmentKey key = KeyOf(header);
    LB_TRY_ASSIGN(row, catalog_->FindSegment(key));
    if (!row) {
      LB_TRY(Seal(path, **file, *index, volume.id()));
      return Commit();
    }
    if (row->thinned != header.thinned) {
      return LeaveOut(
          path, header.thinned ? "its segment is there whole" : "its segment is there thinned");
    }
    const auto scan = ScanSegment(**file);
    if (!scan || !scan->end_valid) {
      return LeaveOut(path, "it is a damaged copy; the next start removes it");
    }
    if (scan->sha256 != row->sha256) {
      if (!damaged_.contains(key) || index->file_bytes != row->bytes) {
        return LeaveOut(path, "it is no copy of the segment that it names");
      }
      row->sha256 = scan->sha256;
      LB_TRY(Add(*row));
    }
    ++report_.copies;
    return Add(index::Copy{key, volume.id(), scan->sha256});
  }

  // One that is damaged in its middle goes on record all the same: its good fragments can be given
  // out, and the scrub names the others.
  Status Seal(const std::string& path, const File& file, const SegmentIndex& index,
              const Uuid& volume) {
    const auto scan = ScanSegment(file);
    Sha256Digest sha256{};
    if (scan && scan->end_valid) {
      sha256 = scan->sha256;
    } else {
      const auto digest = DigestOf(file);
      if (!digest) {
        ++report_.left;
        Note(path + " was left out: " + digest.message());
        return Ok();
      }
      sha256 = *digest;
      ++report_.damaged;
      Note(path + " is damaged: " + (scan ? scan->problem : scan.message()));
    }
    index::Seal seal = SealOf(index, sha256);
    seal.volume = volume;
    if (!scan || !scan->end_valid) damaged_.insert(index::KeyOf(seal));
    ++report_.segments;
    report_.bytes += seal.bytes;
    newest_epoch_ = std::max(newest_epoch_, seal.epoch);
    const auto [camera, first] = recorded_.try_emplace(seal.stream.camera, false);
    camera->second = camera->second || !seal.imported;
    return Add(std::move(seal));
  }

  // Without one, nobody could ask for the footage.
  Status AddCameras() {
    for (const auto& [id, recorded] : recorded_) {
      if (known_.contains(id)) continue;
      index::Camera camera;
      camera.id = id;
      camera.name = id.text();
      camera.enabled = false;
      camera.imported = !recorded;
      ++report_.cameras;
      LB_TRY(Add(std::move(camera)));
    }
    return Ok();
  }

  Status Add(index::Record record) {
    records_.push_back(std::move(record));
    return records_.size() < kGroupRecords ? Ok() : Commit();
  }

  Status Commit() {
    if (records_.empty()) return Ok();
    LB_TRY_ASSIGN(numbered, ledger_->Append(std::exchange(records_, {})));
    LB_TRY(ledger_->Sync());
    return catalog_->Apply(numbered);
  }

  // Ledgers and the catalog make room. The one of the store goes last: until then the next
  // start finds nothing that it could take for a whole one. Snapshots, which alone know people's
  // settings, stay until the new ledger has them: what fails before can be tried again.
  Status Install() {
    const LedgerPlaces places = store_.Ledgers();
    const std::string apart = ".apart-" + std::to_string(places.epoch);
    for (const std::string& copy : places.copies) LB_TRY(SetCopyApart(copy, places.epoch));
    LB_TRY(SetApart(places.ledger, apart));
    LB_TRY(InstallCatalog(store_.data, files_));
    LB_TRY(files_.Rename(JoinPath(store_.data, kFreshLedger), places.ledger));
    LB_TRY(files_.SyncDirectory(store_.data));
    StoreFile file = store_.file;
    file.epoch = std::max(places.epoch, newest_epoch_);
    file.marked_epoch = 0;
    file.ledger_mark = 0;
    LB_TRY(WriteStoreFile(files_, JoinPath(store_.data, "store.json"), file));
    return SetApart(JoinPath(store_.data, kSnapshotFolder), apart);
  }

  Status SetApart(const std::string& path, const std::string& suffix) {
    if (!Exists(files_, path)) return Ok();
    const std::string apart = FreeName(files_, path + suffix);
    LB_TRY(files_.Rename(path, apart));
    report_.set_apart.push_back(apart);
    if (report_.snapshot.starts_with(path + "/")) report_.snapshot.replace(0, path.size(), apart);
    return files_.SyncDirectory(store_.data);
  }

  Status SetCopyApart(const std::string& directory, uint32_t epoch) {
    if (!Exists(files_, directory)) return Ok();
    LB_TRY_ASSIGN(apart, SetLedgerApart(directory, epoch, files_));
    if (!apart.empty()) report_.set_apart.push_back(apart);
    return Ok();
  }

  const FromFilesOptions& options_;
  Clock& clock_;
  FileSystem& files_;
  const OnProgress& progress_;
  FromFilesReport report_;
  StoppedStore store_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<index::Catalog> catalog_;
  std::vector<index::Record> records_;
  std::vector<std::pair<LocalVolume*, Volume::Found>> copies_;
  std::set<index::SegmentKey> damaged_;
  std::set<CameraId> known_;           // From a snapshot.
  std::map<CameraId, bool> recorded_;  // False: all of it was imported.
  uint32_t newest_epoch_ = 0;
  uint64_t seen_ = 0;
};

}  // namespace

Result<FromFilesReport> RebuildFromFiles(const FromFilesOptions& options, Clock& clock,
                                         FileSystem& files, const OnProgress& progress) {
  return FilesReader(options, clock, files, progress).Run();
}

}  // namespace lookback::storage
