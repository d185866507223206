#include "storage/ledger_restore.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/log.h"
#include "base/words.h"
#include "storage/ledger.h"
#include "storage/ledger_leaves.h"
#include "storage/ledger_mend.h"

namespace lookback::storage {
namespace {

// So many records before the end that two ledgers share are compared.
constexpr uint64_t kCompared = 65'536;

struct View {
  std::string directory;
  std::unique_ptr<Ledger> ledger;  // nullptr: there is none.
  uint64_t size = 0;
};

Result<View> Look(const std::string& directory, const Uuid& store, FileSystem& files) {
  View view{directory, nullptr, 0};
  auto ledger = Ledger::OpenReadOnly(directory, files, &store);
  if (!ledger && ledger.code() == Code::kNotFound) return view;
  if (!ledger) return Pass(ledger.error());
  view.size = (*ledger)->size();
  if (view.size > 0) view.ledger = std::move(*ledger);
  return view;
}

// The leaves of the last records that both have; where a record is lost, the leaf that was kept.
Result<bool> Agree(const View& a, const View& b) {
  const uint64_t end = std::min(a.size, b.size);
  if (end == 0) return true;
  uint64_t first = end - std::min(end, kCompared);
  // From the beginning of a file: nearer to the end would spare nothing, for files are walked.
  for (const LedgerFile& file : a.ledger->Files()) {
    if (file.first_number < end) first = std::max(first, file.first_number);
  }
  std::map<uint64_t, Sha256Digest> leaves;
  LB_TRY(a.ledger->ReadRaw(first, [&](const LedgerRecord& record) {
    if (record.number < end) leaves[record.number] = LeafHash(record);
    return record.number + 1 < end;
  }));
  bool same = true, compared = false;
  LB_TRY(b.ledger->ReadRaw(first, [&](const LedgerRecord& record) {
    if (record.number >= end) return false;
    const auto other = leaves.find(record.number);
    compared = compared || other != leaves.end();
    same = other == leaves.end() || other->second == LeafHash(record);
    return same && record.number + 1 < end;
  }));
  if (compared) return same;
  LB_TRY_ASSIGN(left, a.ledger->Leaves(end - 1, end));
  LB_TRY_ASSIGN(right, b.ledger->Leaves(end - 1, end));
  return IsAbsentLeaf(left) || IsAbsentLeaf(right) || left == right;
}

// Which of them agree with which; the first one is the store's own.
using Agreement = std::vector<std::vector<bool>>;

Result<Agreement> Compare(const std::vector<View>& views) {
  Agreement agree(views.size(), std::vector<bool>(views.size(), true));
  for (size_t i = 0; i < views.size(); ++i) {
    for (size_t j = i + 1; j < views.size(); ++j) {
      LB_TRY_ASSIGN(same, Agree(views[i], views[j]));
      agree[i][j] = agree[j][i] = same;
    }
  }
  return agree;
}

// The longest of those that most agree with.
size_t Choose(const std::vector<View>& views, const Agreement& agree) {
  const auto longest_friend = [&](size_t of) {
    size_t best = of;
    for (size_t i = views.size(); i-- > 0;) {
      if (agree[of][i] && views[i].size >= views[best].size) best = i;
    }
    return best;
  };
  size_t chosen = 0;
  std::tuple<size_t, bool, uint64_t> most;
  for (size_t i = 0; i < views.size(); ++i) {
    if (views[i].size == 0) continue;
    const size_t candidate = longest_friend(i);
    size_t votes = 0;
    for (size_t j = 0; j < views.size(); ++j) votes += views[j].size > 0 && agree[candidate][j];
    const bool own = views[0].size > 0 && agree[candidate][0];
    const std::tuple weight(votes, own, views[candidate].size);
    if (weight <= most) continue;
    most = weight;
    chosen = candidate;
  }
  return chosen;
}

// What the files of both begin with, and the ranges of records between.
std::vector<uint64_t> Borders(const View& own, const View& source) {
  std::set<uint64_t> borders;
  for (const View* view : {&own, &source}) {
    if (!view->ledger) continue;
    for (const LedgerFile& file : view->ledger->Files()) borders.insert(file.first_number);
  }
  return {borders.begin(), borders.end()};
}

const LedgerFile* FileAt(const std::vector<LedgerFile>& list, uint64_t first) {
  const auto file = std::find_if(list.begin(), list.end(), [first](const LedgerFile& candidate) {
    return candidate.first_number == first;
  });
  return file == list.end() ? nullptr : &*file;
}

// Whether a closed file looks as whole as the other's: only its size is looked at, for the whole
// ledger is not read at a start.
bool LooksWhole(const LedgerFile* own, const LedgerFile* other, FileSystem& files) {
  if (own == nullptr || !Exists(files, own->path)) return false;
  return other == nullptr || own->good_bytes >= other->good_bytes;
}

Status ExtendLeaves(const std::string& own, const std::string& other, FileSystem& files) {
  LB_TRY_ASSIGN(have, LedgerLeaves::Count(own, files));
  LB_TRY_ASSIGN(there, LedgerLeaves::Count(other, files));
  if (have >= there) return Ok();
  LB_TRY_ASSIGN(fresh, FileReplacement::Begin(JoinPath(own, kLeavesFile), files));
  for (uint64_t at = 0; at < there;) {
    const bool ours = at < have;
    const uint64_t end = std::min(at + kLeavesAtOnce, ours ? have : there);
    LB_TRY_ASSIGN(leaves, LedgerLeaves::Read(ours ? own : other, at, end, files));
    LB_TRY(fresh.Append(leaves));
    at = end;
  }
  return fresh.Finish();
}

std::vector<const Ledger*> Sources(const std::vector<View>& views, const std::vector<bool>& good) {
  std::vector<const Ledger*> sources;
  for (size_t i = 1; i < views.size(); ++i) {
    if (good[i] && views[i].ledger) sources.push_back(views[i].ledger.get());
  }
  return sources;
}

// Gives the ledger what it lacks of `source`, and what is damaged in its last file.
Result<uint64_t> Fill(const LedgerPlaces& places, const View& own, const View& source,
                      const std::vector<const Ledger*>& others, FileSystem& files) {
  LB_TRY(files.MakeDirectories(places.ledger));
  const auto own_files = own.ledger ? own.ledger->Files() : std::vector<LedgerFile>();
  const auto source_files = source.ledger ? source.ledger->Files() : std::vector<LedgerFile>();
  const std::vector<uint64_t> borders = Borders(own, source);
  uint64_t records = 0;
  for (size_t i = 0; i < borders.size(); ++i) {
    const bool last = i + 1 == borders.size();
    const uint64_t end = last ? std::max(own.size, source.size) : borders[i + 1];
    const LedgerFile* mine = FileAt(own_files, borders[i]);
    const bool was_last = mine != nullptr && mine == &own_files.back();
    if (!last && !was_last && LooksWhole(mine, FileAt(source_files, borders[i]), files)) continue;
    LB_TRY_ASSIGN(mended,
                  MendLedgerFile(places.ledger, places.store, borders[i], end, others, files));
    records += mended;
  }
  if (source.ledger && source.directory != own.directory) {
    LB_TRY(ExtendLeaves(places.ledger, source.directory, files));
  }
  return records;
}

Result<std::vector<View>> LookAtAll(const LedgerPlaces& places, FileSystem& files,
                                    std::vector<std::string>& notes) {
  std::vector<View> views;
  auto own = Look(places.ledger, places.store, files);
  if (!own) return Pass(own.error());
  views.push_back(std::move(*own));
  for (const std::string& copy : places.copies) {
    auto view = Look(copy, places.store, files);
    if (view) {
      views.push_back(std::move(*view));
    } else {
      notes.push_back("the copy of the ledger in " + copy + " is left out: " + view.message());
      LogError("ledger", notes.back());
      views.push_back({copy, nullptr, 0});
    }
  }
  return views;
}

Status SetApart(const LedgerPlaces& places, View& own, LedgerRestored& restored,
                FileSystem& files) {
  const std::string apart =
      FreeName(files, places.ledger + ".apart-" + std::to_string(places.epoch));
  LB_TRY(files.Rename(places.ledger, apart));
  LB_TRY(files.SyncDirectory(places.ledger.substr(0, places.ledger.rfind('/'))));
  own = {places.ledger, nullptr, 0};
  restored.replaced = restored.in_doubt = true;
  restored.notes.push_back(
      "the copies on the volumes agree with one another, and not with the "
      "ledger: it was set apart as " +
      apart + ", and is made anew from them");
  LogError("ledger", restored.notes.back());
  return Ok();
}

}  // namespace

Result<LedgerRestored> RestoreLedger(const LedgerPlaces& places, FileSystem& files) {
  LedgerRestored restored;
  LB_TRY_ASSIGN(views, LookAtAll(places, files, restored.notes));
  const auto tell = [&restored = restored](std::string note) {
    LogError("ledger", note);
    restored.notes.push_back(std::move(note));
  };
  LB_TRY_ASSIGN(agree, Compare(views));
  const size_t chosen = Choose(views, agree);
  for (size_t i = 1; i < views.size(); ++i) {
    if (agree[chosen][i]) continue;
    restored.in_doubt = true;
    tell("the copy of the ledger in " + views[i].directory +
         " disagrees with the others, and is set apart: nothing is deleted until the policies are "
         "confirmed");
  }
  const bool outvoted = !agree[chosen][0];
  if (outvoted) LB_TRY(SetApart(places, views[0], restored, files));
  const uint64_t had = views[0].size, there = views[chosen].size;
  LB_TRY_ASSIGN(records,
                Fill(places, views[0], views[chosen], Sources(views, agree[chosen]), files));
  restored.records = records;
  if (there > had && !outvoted) {
    restored.in_doubt = true;
    tell("the ledger had only " + Count(had, "record") + ", and has the other " +
         std::to_string(there - had) + " from its copy in " + views[chosen].directory);
  } else if (records > 0 && !outvoted) {
    tell(Count(records, "damaged record") + " of the ledger mended from its copies");
  }
  return restored;
}

Result<uint64_t> MendLedger(const LedgerPlaces& places, uint64_t first, FileSystem& files) {
  std::vector<std::string> notes;
  LB_TRY_ASSIGN(views, LookAtAll(places, files, notes));
  if (!views[0].ledger) return 0;
  LB_TRY_ASSIGN(agree, Compare(views));
  const auto others = Sources(views, agree[0]);
  const auto list = views[0].ledger->Files();
  uint64_t records = 0;
  for (size_t i = 0; i + 1 < list.size() && !others.empty(); ++i) {
    if (list[i].end_number <= first) continue;
    LB_TRY_ASSIGN(mended, MendLedgerFile(places.ledger, places.store, list[i].first_number,
                                         list[i].end_number, others, files));
    records += mended;
  }
  return records;
}

}  // namespace lookback::storage
