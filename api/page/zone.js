// Local times of the site's time zone, whatever zone the browser is in. Instants are milliseconds
// since 1970, in UTC.

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const two = (number) => String(Math.abs(number)).padStart(2, '0');

export class Zone {
  // An IANA name; one that the browser does not know becomes UTC, and `name` says so.
  constructor(name) {
    const options = {
      hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit',
      hour: '2-digit', minute: '2-digit', second: '2-digit',
    };
    try {
      this.format = new Intl.DateTimeFormat('en', {...options, timeZone: name});
      this.name = name;
    } catch {
      this.format = new Intl.DateTimeFormat('en', {...options, timeZone: 'UTC'});
      this.name = 'UTC';
    }
  }

  // What clocks of the zone show, as if it were UTC.
  shown(instant) {
    const part = {};
    for (const {type, value} of this.format.formatToParts(instant)) part[type] = Number(value);
    return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second);
  }

  offset(instant) {
    return this.shown(instant) - Math.floor(instant / 1000) * 1000;
  }

  // "2026-11-24", "09:12:33", and "2026-11-24T09:12:33", as inputs have them.
  date(instant) { return new Date(this.shown(instant)).toISOString().slice(0, 10); }
  time(instant) { return new Date(this.shown(instant)).toISOString().slice(11, 19); }
  local(instant) { return `${this.date(instant)}T${this.time(instant)}`; }

  // "2026-11-24 09:12:33 +01:00"
  text(instant) {
    const minutes = this.offset(instant) / MINUTE;
    const sign = minutes < 0 ? '−' : '+';
    const [hour, minute] = [Math.trunc(minutes / 60), minutes % 60];
    return `${this.date(instant)} ${this.time(instant)} ${sign}${two(hour)}:${two(minute)}`;
  }

  // The instant at which clocks show this. In the hour that is shown twice in autumn, the first; in
  // that which is skipped in spring, as much later as clocks went on.
  instant(local) {
    const utc = Date.parse(`${local}${local.length === 16 ? ':00' : ''}Z`);
    const [before, after] = [this.offset(utc - DAY), this.offset(utc + DAY)];
    const fits = [utc - before, utc - after].filter((instant) => this.shown(instant) === utc);
    return fits.length ? Math.min(...fits) : utc - before;
  }

  // From one midnight to the next: 23 or 25 hours on the days on which clocks change.
  day(date) {
    return {start: this.instant(`${date}T00:00`), end: this.instant(`${dayAfter(date)}T00:00`)};
  }
}

export function dayAfter(date, days = 1) {
  return new Date(Date.parse(`${date}T00:00Z`) + days * DAY).toISOString().slice(0, 10);
}

// "1 h 02 min", "3 min 20 s", "10 s", "0.4 s"
export function duration(ms) {
  const seconds = Math.round(ms / 1000);
  if (ms < 10_000) return `${Math.round(ms / 100) / 10} s`;
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds / 60) % 60)} min`;
}
