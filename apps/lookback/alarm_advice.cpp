#include "apps/lookback/alarm_advice.h"

#include <utility>

namespace lookback::app {

std::string_view AdviceOn(std::string_view alarm_kind) {
  static constexpr std::pair<std::string_view, std::string_view> kAdvice[] = {
      {"camera-down",
       "`lookback camera status ID` says why. If it is a disk, see the volume's alarm; else look "
       "at "
       "the camera's power, cable, address and password; `lookback camera probe URL` tries one of "
       "RTSP"},
      {"camera-sub-down",
       "`lookback camera probe URL` with its sub URL: is it still right, does the camera take "
       "one client more?"},
      {"camera-degraded",
       "look at the network between: cable, switch, radio link; over UDP, `lookback camera set "
       "ID --transport tcp`"},
      {"camera-standing-timestamps",
       "restart the camera, or give it a newer firmware; it is recorded all the same"},
      {"camera-bitrate", "look at its picture and at its settings"},
      {"volume-offline", "mount it; it is taken back by itself"},
      {"volume-failed",
       "`findmnt -T ROOT`: is it mounted? Else `dmesg`, `smartctl`, cables. Recording goes on in "
       "the "
       "other volumes if there are any; it is taken back when it works again"},
      {"volume-full",
       "`lookback retention show`, `lookback hold list`: what keeps footage there? Add a "
       "volume, or change policies"},
      {"volume-slow",
       "`dmesg`, `smartctl`, `iostat -x`; `lookback volume drain ROOT` while you decide"},
      {"disk-nearly-full",
       "before recording stops: add a volume (`lookback volume add ROOT`), or change policies "
       "and holds"},
      {"recording-stops",
       "`lookback retention forecast` says when and where: add a volume (`lookback volume add "
       "ROOT`), release holds whose case is closed, or change policies"},
      {"data-directory",
       "`df`, `findmnt -T DATA`: make room there, mount it again or put it back, and it goes on by "
       "itself. If it is gone for good, stop the server, then `lookback restore` or `rebuild` "
       "(operations.md, \"Bad days\")"},
      {"damaged-footage",
       "`lookback scrub` names each stretch; put files back from a copy; a disk that loses "
       "bytes loses more: `smartctl`, then drain it"},
      {"missing-segments",
       "`lookback fsck` names them; is a volume not mounted, or was one put back from a "
       "backup?"},
      {"ledger-copy-behind", "look at that volume: is it full, slow or gone?"},
      {"ledger-copies-disagree",
       "keep what was set apart; hold the ledger against a root that you kept: `lookback "
       "ledger verify FILE`"},
      {"catalog-behind",
       "look at the disk of the data directory: `df`, `journalctl -u lookback -p warning`"},
      {"snapshot-failing", "make space beside the ledger; `lookback snapshot --now` tries again"},
      {"policies-unconfirmed",
       "look at `lookback retention show` and `lookback hold list`, then `lookback retention "
       "confirm`"},
      {"retention-frozen",
       "`lookback retention show` says what is in doubt; when that is well, `lookback "
       "retention confirm`"},
      {"retention-below-floor",
       "`lookback retention forecast` says how much space is missing: add a volume, or lower "
       "bitrates or floors"},
      {"retention-overdue",
       "bring back the volume that is away, or confirm what is in doubt: `lookback retention "
       "show`"},
      {"promise-breaks",
       "`lookback retention forecast` says how much space is missing: add a volume, or change "
       "policies or bitrates"},
      {"clock-unsynchronised",
       "`chronyc tracking`, `chronyc sources`: is a time server reachable?"},
  };
  for (const auto& [kind, advice] : kAdvice) {
    if (kind == alarm_kind) return advice;
  }
  return {};
}

}  // namespace lookback::app
