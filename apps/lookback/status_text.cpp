#include "apps/lookback/status_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/lookback/alarm_advice.h"
#include "base/words.h"

namespace lookback::app {
namespace {

constexpr size_t kSentencesAKind = 2;
constexpr size_t kVolumeRows = 6;
constexpr size_t kNotes = 3;

size_t LinesIn(std::string_view text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

struct Cameras {
  size_t recorded = 0;
  size_t down = 0;
  size_t off = 0;
};

Cameras CountCameras(const Json& cameras) {
  Cameras counts;
  for (const Json& camera : cameras) {
    const auto status = camera.find("status");
    if (FlagOf(camera, "imported")) continue;
    if (!FlagOf(camera, "enabled")) {
      ++counts.off;
    } else if (status != camera.end() && TextOf(*status, "state") == "recording") {
      ++counts.recorded;
    } else {
      ++counts.down;
    }
  }
  return counts;
}

std::string CamerasText(const Cameras& cameras) {
  const size_t all = cameras.recorded + cameras.down + cameras.off;
  if (all == 0) return "There are no cameras yet: `lookback camera add ID URL`.\n";
  std::string text = Count(all, "camera") + ":";
  if (cameras.down > 0) text += fmt::format(" {} NOT RECORDED,", cameras.down);
  text += fmt::format(" {} recorded", cameras.recorded);
  if (cameras.off > 0) text += fmt::format(", {} switched off", cameras.off);
  return text + "\n";
}

// The alarms of one kind and severity that stand.
struct Group {
  std::string kind;
  std::string severity;
  TimeUs since_us = kTimeMaxUs;
  size_t seen = 0;
  std::vector<std::string> sentences;
};

// In the order of the answer, which has the worst first.
std::vector<Group> GroupAlarms(const Json& alarms) {
  std::vector<Group> groups;
  for (const Json& alarm : alarms) {
    const std::string kind = TextOf(alarm, "kind");
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&kind](const Group& other) { return other.kind == kind; });
    if (group == groups.end()) {
      group = groups.insert(group, Group{kind, TextOf(alarm, "severity"), kTimeMaxUs, 0, {}});
    }
    group->since_us = std::min(group->since_us, TimeOf(alarm, "since").value_or(kTimeMaxUs));
    group->seen += alarm.contains("acknowledged") && alarm["acknowledged"].is_object() ? 1 : 0;
    group->sentences.push_back(Printable(TextOf(alarm, "sentence")));
  }
  return groups;
}

std::string GroupText(const Group& group, const TimeZone& zone) {
  const size_t all = group.sentences.size();
  std::string head = Printable(group.kind);
  if (all > 1) head += fmt::format(", {} of them", all);
  if (group.seen == all) head += ", acknowledged";
  if (group.seen > 0 && group.seen < all) head += fmt::format(", {} acknowledged", group.seen);
  if (group.since_us != kTimeMaxUs) head += ", since " + ScreenTime(group.since_us, zone);
  std::string text =
      Wrapped(group.severity == "critical" ? "CRITICAL " : Printable(group.severity) + " ", head);
  const size_t shown = all <= kSentencesAKind + 1 ? all : kSentencesAKind;
  for (size_t i = 0; i < shown; ++i) text += Wrapped("  ", group.sentences[i]);
  if (shown < all) text += fmt::format("  and {} more\n", all - shown);
  const std::string_view advice = AdviceOn(group.kind);
  return advice.empty() ? text : text + Wrapped("  -> ", advice);
}

std::string AlarmsText(const Json& alarms, size_t down, bool clock_is_set, size_t lines,
                       const TimeZone& zone) {
  // An alarm begins when it has lasted for a while.
  if (alarms.empty() && down > 0) {
    return "No alarm stands; `lookback camera status` says what is amiss.\n";
  }
  if (alarms.empty() && !clock_is_set) {
    return "No alarm stands, but no time server sets this machine's clock.\n";
  }
  if (alarms.empty()) return "Nothing is wrong.\n";
  std::string text;
  size_t left_out = 0;
  for (const Group& group : GroupAlarms(alarms)) {
    const std::string more = GroupText(group, zone);
    // Two lines stay for what is said in the end.
    if (left_out > 0 || LinesIn(text) + LinesIn(more) + 2 > lines) {
      left_out += group.sentences.size();
    } else {
      text += more;
    }
  }
  if (left_out > 0) text += "And " + Count(left_out, "more alarm") + ".\n";
  return text + "All of them, and to acknowledge one: `lookback events`\n";
}

std::string VolumesText(const Json& volumes) {
  std::vector<const Json*> sorted;
  for (const Json& volume : volumes) sorted.push_back(&volume);
  std::stable_partition(sorted.begin(), sorted.end(),
                        [](const Json* volume) { return TextOf(*volume, "state") != "online"; });
  Table table({"VOLUME", "STATE", "FREE", "OF"});
  const size_t shown = sorted.size() <= kVolumeRows + 1 ? sorted.size() : kVolumeRows;
  for (size_t i = 0; i < shown; ++i) {
    const Json& volume = *sorted[i];
    const std::string state = TextOf(volume, "state");
    table.Add({TextOf(volume, "root"), FlagOf(volume, "draining") ? state + ", draining" : state,
               BytesText(volume, "free_bytes"), BytesText(volume, "total_bytes")});
  }
  const size_t hidden = sorted.size() - shown;
  return table.Text() +
         (hidden == 0 ? "" : fmt::format("and {} more: `lookback volume list`\n", hidden));
}

// What is held and has no copy on a second volume, and why; "" while nothing is held.
std::string HeldText(const Json& status) {
  const auto held = status.find("held_copies");
  if (held == status.end() || !held->is_object() || NumberOf(*held, "segments") == 0) return {};
  std::string text = "held: " + CountOf(*held, "segments", "segment");
  if (NumberOf(*held, "lacking") == 0) return text + ", each on two volumes\n";
  text += fmt::format(", {} of them without a copy on a second volume", NumberOf(*held, "lacking"));
  const std::pair<const char*, const char*> why[] = {{"waiting", "wait for their turn"},
                                                     {"one_volume", "find no other volume"},
                                                     {"no_space", "find no space"},
                                                     {"unreadable", "cannot be read"}};
  const char* before = ": ";
  for (const auto& [name, words] : why) {
    if (NumberOf(*held, name) == 0) continue;
    text += fmt::format("{}{} {}", before, NumberOf(*held, name), words);
    before = ", ";
  }
  const std::string trouble = TextOf(*held, "trouble");
  return Wrapped("", text + (trouble.empty() ? "" : " (" + Printable(trouble) + ")"));
}

std::string ServerText(const Json& status, const std::string& server, const TimeZone& zone) {
  std::string text = Wrapped(
      "", fmt::format("lookback {} at {}, up {}, since {}", Printable(TextOf(status, "version")),
                      server, ScreenDuration(NumberOf(status, "uptime_us")),
                      LocalTimeOf(status, "started", zone)));
  text += Wrapped(
      "", fmt::format("store {}, epoch {}, zone {}, clock {}", Printable(TextOf(status, "store")),
                      NumberOf(status, "epoch"), Printable(TextOf(status, "time_zone")),
                      FlagOf(status, "clock_synchronised") ? "synchronised" : "not synchronised"));
  text += fmt::format("you are {}{}\n", Printable(TextOf(status, "person")),
                      FlagOf(status, "admin") ? ", an admin" : "");
  const auto recovery = status.find("recovery");
  if (recovery == status.end()) return text;
  const Json& notes = ListOf(*recovery, "notes");
  for (size_t i = 0; i < std::min(notes.size(), kNotes); ++i) {
    if (notes[i].is_string()) {
      text += Wrapped("at the start: ", Printable(notes[i].get<std::string>()));
    }
  }
  return text;
}

}  // namespace

std::string Wrapped(const std::string& first, std::string_view text) {
  const std::string indent(DisplayWidth(first), ' ');
  std::string all;
  std::string line = first;
  bool empty = true;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!empty && DisplayWidth(line) + 1 + DisplayWidth(word) > kStatusColumns) {
      all += line + "\n";
      line = indent;
      empty = true;
    }
    if (!empty) line += ' ';
    line += word;
    empty = false;
  }
  return all + line + "\n";
}

std::string StatusText(const Json& status, const Json& cameras, const std::string& server,
                       const TimeZone& zone) {
  const Cameras counts = CountCameras(cameras);
  const std::string head = CamerasText(counts);
  const std::string rest = "\n" + VolumesText(ListOf(status, "volumes")) + "\n" + HeldText(status) +
                           ServerText(status, server, zone);
  const size_t taken = LinesIn(head) + LinesIn(rest) + 1;  // And the line of the prompt.
  const size_t left = kStatusLines > taken ? kStatusLines - taken : 0;
  return head +
         AlarmsText(ListOf(status, "alarms"), counts.down, FlagOf(status, "clock_synchronised"),
                    left, zone) +
         rest;
}

}  // namespace lookback::app
