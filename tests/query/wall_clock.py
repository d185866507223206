"""The minutes of a range at which a clock on the wall shows what was asked for, by Python's zoneinfo:
for each line "ZONE FIRST LAST BEGIN END DAYS" of a file a line of minutes since 1970. It looks at each
minute by itself."""

import datetime
import sys
import zoneinfo


def shows(zone, minute, begin, end, days):
    shown = datetime.datetime.fromtimestamp(minute * 60, zone)
    of_day = shown.hour * 60 + shown.minute
    day = shown.weekday()
    if begin < end:
        asked = begin <= of_day < end
    elif of_day >= begin:
        asked = True
    else:
        asked = of_day < end
        day = (day - 1) % 7  # It began the evening before.
    return asked and days >> day & 1


with open(sys.argv[1], encoding="ascii") as questions:
    for line in questions:
        name, *numbers = line.split()
        first, last, begin, end, days = map(int, numbers)
        zone = zoneinfo.ZoneInfo(name)
        print(*(minute for minute in range(first, last) if shows(zone, minute, begin, end, days)))
