"""Where days begin by Python's zoneinfo: for each line "ZONE FIRST LAST" of a file, minutes since 1970, a
line of those minutes that are the first to show a later date than any before. It looks at each minute
by itself."""

import datetime
import sys
import zoneinfo


def begins(zone, first, last):
    newest = None
    for minute in range(first, last):
        shown = datetime.datetime.fromtimestamp(minute * 60, zone).date()
        if newest is None or shown > newest:
            newest = shown
            yield minute


with open(sys.argv[1], encoding="ascii") as questions:
    for line in questions:
        name, first, last = line.split()
        print(*begins(zoneinfo.ZoneInfo(name), int(first), int(last)))
