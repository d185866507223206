#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/words.h"
#include "index/catalog.h"
#include "storage/check.h"
#include "storage/data_directory.h"
#include "storage/hours_check.h"
#include "storage/layout.h"
#include "storage/ledger.h"
#include "storage/ledger_copy_check.h"
#include "storage/local_volume.h"
#include "storage/recorded_footage.h"
#include "storage/segment_check.h"
#include "storage/volume_file.h"

namespace lookback::storage {
namespace {

// How often progress is told, in things looked at.
constexpr uint64_t kProgressStep = 1'000;
constexpr int kCatalogTries = 5;

// The same for both files of a segment.
std::string WholePath(index::SegmentKey key) {
  key.thinned = false;
  return SegmentPath(key);
}

class Checker {
 public:
  Checker(std::string data, FileSystem& files, const OnProgress& progress,
          const FsckOptions& options)
      : data_(std::move(data)), files_(files), progress_(progress), options_(options) {}

  Result<FsckReport> Run() {
    LB_TRY_ASSIGN(store, ReadStore(data_, files_));
    store_ = store.store;
    std::unique_ptr<FileLock> held;
    if (!options_.in_store) {
      auto lock = files_.Lock(JoinPath(data_, kLockFile));
      if (!lock && lock.code() != Code::kUnavailable) return Pass(lock.error());
      if (lock) held = std::move(*lock);
    }
    running_ = held == nullptr;
    LB_TRY(CheckLedger());
    for (const StoreFile::KnownVolume& known : store.volumes) LB_TRY(MeetVolume(known));
    share_.of = 1 + report_.ledger_records / std::max<uint64_t>(options_.max_segments, 1);
    for (; share_.number < share_.of; ++share_.number) LB_TRY(CheckShare());
    if (being_written_ > 0) {
      Add(FindingKind::kUnsealedFile, Count(being_written_, "file") + " being written just now")
          .fault = false;
    }
    return std::move(report_);
  }

 private:
  void Tell(std::string_view step, uint64_t done, uint64_t total) {
    const uint64_t step_items = options_.depth == FsckDepth::kBytes ? 1 : kProgressStep;
    if (!progress_ || done % step_items != 0) return;
    std::string text(step);
    if (share_.of > 1) text += fmt::format(" ({} of {})", share_.number + 1, share_.of);
    progress_({std::move(text), done, total});
  }

  // Asked now and then; false, and `stopped_` says why, when the check is to end.
  bool GoesOn(uint64_t done) {
    if (done % kProgressStep == 0) stopped_ = options_.go_on();
    return stopped_.has_value();
  }

  Finding& Add(FindingKind kind, std::string sentence) {
    Finding& finding = report_.findings.emplace_back();
    finding.kind = kind;
    finding.sentence = std::move(sentence);
    return finding;
  }

  Finding& Add(FindingKind kind, const index::SegmentKey& key, TimeUs end_us,
               const std::string& what) {
    Finding& finding = Add(kind, fmt::format("{} {} to {}: {}", key.stream.text(),
                                             FormatTime(key.start_us), FormatTime(end_us), what));
    finding.path = SegmentPath(key);
    finding.camera = key.stream.camera.text();
    finding.range = {key.start_us, end_us};
    return finding;
  }

  std::string RootOf(const Uuid& volume) const {
    const auto root = roots_.find(volume);
    return root == roots_.end() ? "volume " + volume.text() : root->second;
  }

  // Where its other files are to be, besides the one on `volume`; "" when it has none.
  std::string Elsewhere(const index::SegmentKey& key, const Uuid& volume) const {
    std::string text;
    const auto add = [&](const Uuid& other) {
      if (other != volume) text += (text.empty() ? "; it is also on " : ", ") + RootOf(other);
    };
    const auto entry = said_.entries.find(key);
    if (entry != said_.entries.end() && entry->second.standing == Standing::kSealed) {
      add(entry->second.volume);
    }
    for (auto it = said_.copies.lower_bound({key, Uuid()}); it != said_.copies.end(); ++it) {
      if (it->first.first != key) break;
      if (it->second.on_ledger) add(it->first.second);
    }
    return text;
  }

  // What concerns the cameras of one share.
  Status CheckShare() {
    said_ = {};
    said_.share = share_;
    by_path_.clear();
    read_records_ = 0;
    // The catalog first, the ledger after: a running store writes them in the other order, so what
    // the catalog shows must be on the ledger by then.
    LB_TRY(ReadCatalog());
    LB_TRY(ReadLedger());
    files_since_ = read_records_;
    CompareRows();
    Tell("files", 0, said_.entries.size());
    for (const auto& [key, entry] : said_.entries) by_path_.emplace(WholePath(key), key);
    seen_files_ = 0;
    for (const auto& volume : volumes_) LB_TRY(CheckFiles(*volume));
    if (running_) LB_TRY(ReadLedger());  // What retention took while the files were walked.
    NameMissing();
    report_.segments += static_cast<uint64_t>(
        std::count_if(said_.entries.begin(), said_.entries.end(), [](const auto& entry) {
          return entry.second.on_ledger && entry.second.standing == Standing::kSealed;
        }));
    return Ok();
  }

  Status ReadCatalog() {
    index::Catalog::Options options;
    options.read_only = true;
    options.create = false;
    const std::string path = JoinPath(data_, "catalog");
    auto catalog = index::Catalog::Open(path, options);
    // A running store may remove a file of its catalog between the list of them and the look at it.
    for (int tries = 1; running_ && !catalog && tries < kCatalogTries; ++tries) {
      catalog = index::Catalog::Open(path, options);
    }
    if (!catalog) {
      if (catalog_readable_) {
        Add(FindingKind::kMissingRow, "the catalog cannot be read (" + catalog.message() +
                                          "); lookback rebuild makes it anew from the ledger");
      }
      catalog_readable_ = false;
      return Ok();
    }
    catalog_position_ = (*catalog)->position();
    LB_TRY((*catalog)->VisitAllCopies([&](const index::Copy& copy) {
      if (share_.Has(copy.segment.stream.camera)) {
        said_.copies[{copy.segment, copy.volume}].in_catalog = true;
      }
      return true;
    }));
    uint64_t rows = 0;
    LB_TRY((*catalog)->VisitAllSegments([&](const index::Seal& seal) {
      Tell("catalog", ++rows, 0);
      if (!share_.Has(seal.stream.camera)) return GoesOn(rows);
      RecordedSegment& entry = said_.entries[index::KeyOf(seal)];
      entry.in_catalog = true;
      entry.end_us = entry.row_end_us = seal.end_us;
      entry.bytes = entry.row_bytes = seal.bytes;
      entry.thinned = entry.row_thinned = seal.thinned;
      entry.volume = seal.volume;
      return GoesOn(rows);
    }));
    if (share_.number > 0 || !stopped_) return stopped_;
    return CheckHours(**catalog, options_.go_on, report_.findings);
  }

  // Once, whatever the number of shares: each record against its leaf.
  Status CheckLedger() {
    auto ledger = Ledger::OpenReadOnly(JoinPath(data_, "ledger"), files_);
    if (!ledger) {
      Add(FindingKind::kLedgerDamage, ledger.message());
      ledger_readable_ = ledger_whole_ = ledger_good_ = false;
      return Ok();
    }
    report_.ledger_records = (*ledger)->size();
    uint64_t read = 0;
    const auto lost = (*ledger)->Read(0, [&](const index::NumberedRecord& numbered) {
      Tell("ledger", numbered.number + 1, report_.ledger_records);
      return GoesOn(++read);
    });
    LB_TRY(stopped_);
    if (!lost || *lost > 0) ledger_whole_ = ledger_good_ = false;
    if (!lost) {
      Add(FindingKind::kLedgerDamage, lost.message());
    } else if (const Status verified = (*ledger)->Verify(); !verified) {
      ledger_good_ = false;
      Add(FindingKind::kLedgerDamage,
          verified.error().message +
              (*lost > 0 ? " (lost in all: " + Count(*lost, "record") + ")" : std::string()));
    }
    if (!running_ && (*ledger)->torn_bytes() > 0) {
      Add(FindingKind::kLedgerDamage,
          fmt::format("the ledger's last {} bytes are torn; the next start cuts them off",
                      (*ledger)->torn_bytes()))
          .fault = false;
    }
    return Ok();
  }

  // From where this share is.
  Status ReadLedger() {
    if (!ledger_readable_) return Ok();
    LB_TRY_ASSIGN(ledger, Ledger::OpenReadOnly(JoinPath(data_, "ledger"), files_));
    const uint64_t total = ledger->size();
    uint64_t read = 0;
    const auto lost = ledger->Read(read_records_, [&](const index::NumberedRecord& numbered) {
      said_.Apply(numbered);
      Tell("ledger", numbered.number + 1, total);
      return GoesOn(++read);
    });
    LB_TRY(stopped_);
    if (!lost || *lost > 0) ledger_whole_ = ledger_good_ = false;
    read_records_ = std::max(read_records_, total);
    report_.ledger_records = std::max(report_.ledger_records, total);
    return Ok();
  }

  void CompareRows() {
    if (!catalog_readable_) return;
    for (const auto& [key, entry] : said_.entries) {
      const bool expected = entry.on_ledger && entry.standing == Standing::kSealed;
      if (entry.number >= catalog_position_ && entry.on_ledger) continue;  // Not applied yet.
      if (expected && !entry.in_catalog) {
        Add(FindingKind::kMissingRow, key, entry.end_us,
            "it is sealed on the ledger, but the catalog has no row of it; lookback rebuild mends "
            "that");
      }
      if (expected && entry.in_catalog &&
          (entry.row_bytes != entry.bytes || entry.row_end_us != entry.end_us ||
           entry.row_thinned != entry.thinned)) {
        Add(FindingKind::kForeignRow, key, entry.end_us,
            "its catalog row says otherwise than its seal on the ledger");
      }
      // What a damaged ledger does not show may have stood where it is damaged.
      const bool contradicted = entry.on_ledger || ledger_whole_;
      if (!expected && entry.in_catalog && contradicted) {
        Add(FindingKind::kForeignRow, key, entry.end_us,
            "the catalog has a row of it, but on the ledger it is not a sealed segment");
      }
    }
    for (const auto& [key, copy] : said_.copies) {
      if (copy.on_ledger == copy.in_catalog || copy.number >= catalog_position_) continue;
      if (!copy.on_ledger && !ledger_whole_) continue;
      const auto kind = copy.on_ledger ? FindingKind::kMissingRow : FindingKind::kForeignRow;
      Add(kind, key.first, said_.entries[key.first].end_us,
          copy.on_ledger ? "the catalog does not know of its copy; lookback rebuild mends that"
                         : "the catalog has a copy of it that the ledger does not tell of");
    }
    if (catalog_position_ < read_records_ && !running_ && share_.number == 0) {
      Add(FindingKind::kMissingRow,
          fmt::format("the catalog is {} behind the ledger; the next start catches up",
                      Count(read_records_ - catalog_position_, "record")))
          .fault = false;
    }
  }

  Status MeetVolume(const StoreFile::KnownVolume& known) {
    roots_[known.id] = known.root;
    const auto identity = ReadVolumeFile(files_, JoinPath(known.root, kVolumeFile));
    if (!identity || identity->volume != known.id || identity->store != store_) {
      Add(FindingKind::kVolumeOffline,
          fmt::format("volume {} is not there ({}); its segments were not checked", known.root,
                      identity ? "another volume's identity is" : identity.message()));
      offline_.push_back(known.id);
      return Ok();
    }
    volumes_.push_back(std::make_unique<LocalVolume>(known.root, store_, known.id, files_));
    return CheckCopyOfLedger(known);
  }

  Status CheckFiles(Volume& volume) {
    const auto visit = [&](const Volume::Found& found) {
      Tell("files", ++seen_files_, said_.entries.size());
      stopped_ = options_.go_on();
      if (stopped_.has_value()) CheckFile(volume, found);
      return stopped_.has_value();
    };
    LB_TRY(volume.VisitFiles(
        visit, [&](const Volume::Day& day) { return share_.Has(day.stream.camera); }));
    return stopped_;
  }

  Status CheckCopyOfLedger(const StoreFile::KnownVolume& known) {
    const std::string path = LedgerCopyPath(known.root);
    // Which of two damaged ones is right is for a start to find; one that is absent, to make.
    if (!ledger_good_ || !Exists(files_, path)) return Ok();
    LB_TRY_ASSIGN(check, CheckLedgerCopy(JoinPath(data_, "ledger"), path, store_, files_));
    if (!check.problem.empty()) {
      Add(FindingKind::kLedgerCopyDamage,
          fmt::format("the copy of the ledger in {}: {}; lookback fsck --repair makes it whole",
                      path, check.problem))
          .path = path;
    } else if (check.lacks > 0 && !running_) {
      Finding& finding = Add(FindingKind::kLedgerCopyBehind,
                             fmt::format("the copy of the ledger in {} lacks the last {} of {} "
                                         "records; the next start brings them",
                                         path, check.lacks, check.records + check.lacks));
      finding.fault = false;
      finding.path = path;
    }
    return Ok();
  }

  void CheckFile(Volume& volume, const Volume::Found& found) {
    const std::string path = JoinPath(volume.root(), found.path);
    if (found.stray) {
      // What stands above the days' directories is met with every share.
      if (share_.number > 0 && std::count(found.path.begin(), found.path.end(), '/') < 4) return;
      Add(FindingKind::kStrayFile, path + " is no segment of this store").path = path;
      return;
    }
    const auto known = by_path_.find(WholePath(found.key));
    RecordedSegment* entry = known == by_path_.end() ? nullptr : &said_.entries[known->second];
    if (!entry || (!entry->on_ledger && !entry->in_catalog)) {
      if (running_) {
        ++being_written_;
        return;
      }
      Finding& finding = Add(FindingKind::kUnsealedFile, found.key, found.key.start_us,
                             "it is not sealed; the next start sees to it");
      finding.fault = false;
      finding.path = path;
      return;
    }
    if (entry->standing != Standing::kDeleted && entry->thinned != found.key.thinned) {
      return TellThinning(found, *entry, path);
    }
    const auto copy = said_.copies.find({known->second, volume.id()});
    const bool is_copy = copy != said_.copies.end() && (copy->second.on_ledger || !ledger_whole_);
    if (entry->volume == volume.id()) {
      entry->file_seen = true;
    } else if (is_copy) {
      copy->second.file_seen = true;
    } else if (entry->standing != Standing::kDeleted) {
      Finding& finding = Add(FindingKind::kUnsealedFile, found.key, entry->end_us,
                             running_ ? "a copy of it is being made"
                                      : "a copy of it is not on record; the next start sees to it");
      finding.fault = false;
      finding.path = path;
      return;
    }
    if (entry->standing == Standing::kDeleted) {
      Add(FindingKind::kReappearedFile, known->second, entry->end_us,
          "it was deleted by policy, but its file is there; the next start removes it")
          .path = path;
      return;
    }
    CheckBytes(volume, known->second, *entry, path);
  }

  void TellThinning(const Volume::Found& found, const RecordedSegment& entry,
                    const std::string& path) {
    const char* what = "it was thinned, but its whole file is there; the next start removes it";
    if (found.key.thinned) {
      what = running_ ? "it is being thinned"
                      : "its thinning was not finished; the next start sees to it";
    }
    Finding& finding =
        Add(found.key.thinned ? FindingKind::kUnsealedFile : FindingKind::kReappearedFile,
            found.key, entry.end_us, what);
    finding.fault = !found.key.thinned && !running_;
    finding.path = path;
  }

  void CheckBytes(Volume& volume, index::SegmentKey key, const RecordedSegment& entry,
                  const std::string& path) {
    key.thinned = entry.thinned;
    const bool deep = options_.depth == FsckDepth::kBytes && entry.on_ledger;
    const auto fault = CheckSegmentFile(volume, key, entry, store_, deep);
    if (!fault) return;
    Finding& finding =
        Add(fault->truncated ? FindingKind::kTruncatedFile : FindingKind::kDamagedFile, key,
            entry.end_us, fault->what + Elsewhere(key, volume.id()));
    finding.path = path;
    finding.range.start_us = fault->from_us;
  }

  void NameMissing() {
    for (const auto& [key, entry] : said_.entries) {
      if (!entry.on_ledger || entry.file_seen || entry.standing == Standing::kDeleted) continue;
      // Sealed while the files were walked: it may have been met before that.
      if (entry.standing == Standing::kSealed && entry.number >= files_since_) continue;
      if (std::find(offline_.begin(), offline_.end(), entry.volume) != offline_.end()) continue;
      // A loss on record has its gap: disk, ledger and catalog agree on it.
      const bool recorded = entry.standing == Standing::kMissing;
      const std::string root = RootOf(entry.volume);
      Finding& finding = Add(FindingKind::kMissingFile, key, entry.end_us,
                             recorded ? "its file is gone from " + root + ", which is on record"
                                      : "it is sealed on the ledger, but its file is gone from " +
                                            root + Elsewhere(key, entry.volume));
      finding.fault = !recorded;
      finding.path = JoinPath(root, SegmentPath(key));
    }
    for (const auto& [key, copy] : said_.copies) {
      if (!copy.on_ledger || copy.file_seen || copy.number >= files_since_) continue;
      if (std::find(offline_.begin(), offline_.end(), key.second) != offline_.end()) continue;
      const std::string root = RootOf(key.second);
      Add(FindingKind::kMissingFile, key.first, said_.entries[key.first].end_us,
          "its copy is gone from " + root + Elsewhere(key.first, key.second))
          .path = JoinPath(root, SegmentPath(key.first));
    }
  }

  const std::string data_;
  FileSystem& files_;
  const OnProgress& progress_;
  const FsckOptions& options_;
  FsckReport report_;
  Status stopped_;  // Why the check has to end.
  Uuid store_;
  bool running_ = false;
  bool catalog_readable_ = true;
  bool ledger_readable_ = true;
  bool ledger_whole_ = true;  // No record is lost;
  bool ledger_good_ = true;   // and each is the one that its leaf tells of.
  std::vector<std::unique_ptr<LocalVolume>> volumes_;  // Those that are there.
  uint64_t being_written_ = 0;                         // Files.
  // Of the share of the cameras that is looked at:
  CameraShare share_;
  uint64_t catalog_position_ = 0;
  uint64_t read_records_ = 0;  // Of the ledger.
  uint64_t files_since_ = 0;   // What it had when the walk over the files began.
  uint64_t seen_files_ = 0;
  RecordedFootage said_;
  std::unordered_map<std::string, index::SegmentKey> by_path_;
  std::map<Uuid, std::string> roots_;  // Of the volumes.
  std::vector<Uuid> offline_;
};

}  // namespace

Result<FsckReport> Fsck(const std::string& data, FileSystem& files, const OnProgress& progress,
                        const FsckOptions& options) {
  return Checker(data, files, progress, options).Run();
}

}  // namespace lookback::storage
