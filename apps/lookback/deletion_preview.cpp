#include "apps/lookback/deletion_preview.h"

#include <fmt/format.h>

#include <iostream>

#include "base/words.h"

namespace lookback::app {
namespace {

std::string BytesOf(const Json& json) {
  return FormatBytes(static_cast<uint64_t>(NumberOf(json, "bytes")));
}

// Of what goes, what the change has no part in.
Json AnywayOf(const Json& list) { return list.value("anyway", Json::object()); }
Json ThinnedOf(const Json& preview) { return preview.value("thinned", Json::object()); }

bool HasMore(const Json& list) {
  return NumberOf(list, "segments") > NumberOf(AnywayOf(list), "segments");
}

// What goes, or is thinned: `sentence`, and each camera.
std::string ListText(const Json& list, std::string sentence, const TimeZone& zone) {
  const Json anyway = AnywayOf(list);
  if (HasMore(list) && NumberOf(anyway, "segments") > 0) {
    sentence += fmt::format("; {} of them, {}, without this change too",
                            NumberOf(anyway, "segments"), BytesOf(anyway));
  }
  sentence += ".\n";
  Table table({"CAMERA", "SEGMENTS", "DURATION", "BYTES", "OLDEST", "NEWEST", "REASON"});
  for (const Json& camera : ListOf(list, "cameras")) {
    table.Add({TextOf(camera, "camera"), std::to_string(NumberOf(camera, "segments")),
               ScreenDuration(NumberOf(camera, "duration_us")), BytesOf(camera),
               LocalTimeOf(camera, "oldest", zone), LocalTimeOf(camera, "newest", zone),
               TextOf(camera, "reason")});
  }
  return sentence + (table.empty() ? "" : table.Text());
}

}  // namespace

Result<std::string> PreviewText(Client& client, const Json& preview) {
  LB_TRY_ASSIGN(zone, client.Zone());
  std::string text = Printable(TextOf(preview, "sentence"));
  if (!text.empty()) text += "\n";
  text += ListText(preview,
                   fmt::format("{} would delete {}, {}, {}",
                               FlagOf(preview, "frozen") ? "Once that is over, the next round"
                                                         : "The next round",
                               CountOf(preview, "segments", "segment"),
                               ScreenDuration(NumberOf(preview, "duration_us")), BytesOf(preview)),
                   zone);
  const Json thinned = ThinnedOf(preview);
  if (NumberOf(thinned, "segments") == 0) return text;
  return text +
         ListText(thinned,
                  fmt::format("The next rounds would thin {}, {}: of their pictures the "
                              "sync samples stay, and the sound goes, which frees about {}",
                              CountOf(thinned, "segments", "segment"),
                              ScreenDuration(NumberOf(thinned, "duration_us")), BytesOf(thinned)),
                  zone);
}

bool DeletesMore(const Json& preview) {
  if (!preview.is_object()) return false;
  return HasMore(preview) || HasMore(ThinnedOf(preview));
}

Result<bool> AgreedToDeletion(Client& client, const Json& change, bool yes) {
  const auto preview = client.api().Call("POST", "/api/v1/retention/preview", change);
  if (!preview && yes && preview.code() == Code::kUnavailable) {
    Complain("what this deletes cannot be told: " + preview.message());
    return true;
  }
  if (!preview) return Pass(preview.error());
  if (!DeletesMore(*preview)) return true;
  LB_TRY_ASSIGN(text, PreviewText(client, *preview));
  std::cerr << text;
  return Confirmed(yes);
}

}  // namespace lookback::app
