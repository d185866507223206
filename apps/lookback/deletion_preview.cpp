#include "apps/lookback/deletion_preview.h"

#include <fmt/format.h>

#include <iostream>

namespace lookback::app {
namespace {

std::string BytesOf(const Json& json) {
  return FormatBytes(static_cast<uint64_t>(NumberOf(json, "bytes")));
}

// Of what goes, what the change has no part in.
Json AnywayOf(const Json& preview) { return preview.value("anyway", Json::object()); }

}  // namespace

Result<std::string> PreviewText(Client& client, const Json& preview) {
  LB_TRY_ASSIGN(zone, client.Zone());
  std::string text = Printable(TextOf(preview, "sentence"));
  if (!text.empty()) text += "\n";
  text += fmt::format(
      "{} would delete {}, {}, {}",
      FlagOf(preview, "frozen") ? "Once that is over, the next round" : "The next round",
      CountOf(preview, "segments", "segment"), ScreenDuration(NumberOf(preview, "duration_us")),
      BytesOf(preview));
  const Json anyway = AnywayOf(preview);
  const int64_t more = NumberOf(preview, "segments") - NumberOf(anyway, "segments");
  if (more > 0 && NumberOf(anyway, "segments") > 0) {
    text += fmt::format("; {} of them, {}, without this change too", NumberOf(anyway, "segments"),
                        BytesOf(anyway));
  }
  text += ".\n";
  Table table({"CAMERA", "SEGMENTS", "DURATION", "BYTES", "OLDEST", "NEWEST", "REASON"});
  for (const Json& camera : ListOf(preview, "cameras")) {
    table.Add({TextOf(camera, "camera"), std::to_string(NumberOf(camera, "segments")),
               ScreenDuration(NumberOf(camera, "duration_us")), BytesOf(camera),
               LocalTimeOf(camera, "oldest", zone), LocalTimeOf(camera, "newest", zone),
               TextOf(camera, "reason")});
  }
  return text + (table.empty() ? "" : table.Text());
}

bool DeletesMore(const Json& preview) {
  return preview.is_object() &&
         NumberOf(preview, "segments") > NumberOf(AnywayOf(preview), "segments");
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
