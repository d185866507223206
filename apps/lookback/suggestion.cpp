#include "apps/lookback/suggestion.h"

#include <algorithm>

namespace lookback::app {
namespace {

constexpr size_t kLettersAMistake = 3;
constexpr size_t kMaxLetters = 64;  // Longer words are no mistyped ones.

// Optimal string alignment: how many letters to insert, remove, replace or swap with the next.
size_t Mistakes(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = a[i - 1] == b[j - 1];
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

std::string Nearest(std::string_view typed, const std::vector<std::string>& words) {
  if (typed.size() > kMaxLetters) return {};
  std::string nearest;
  size_t fewest = typed.size() / kLettersAMistake + 1;
  for (const std::string& word : words) {
    if (word.size() > kMaxLetters) continue;
    const size_t mistakes = Mistakes(typed, word);
    if (mistakes >= fewest) continue;
    fewest = mistakes;
    nearest = word;
  }
  return nearest;
}

}  // namespace lookback::app
