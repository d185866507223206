// The page: who logs in, which camera and day, what there is of it, and what is taken.

import {Failure, get, post, remove, url} from '/page/api.js';
import {Bar} from '/page/bar.js';
import {Player} from '/page/player.js';
import {Sprites} from '/page/sprites.js';
import {Zone, dayAfter, duration} from '/page/zone.js';

const $ = (id) => document.getElementById(id);
const MAX_LISTED = 200;  // Gaps of a day in words; the bar has all of them.
const SESSION = 'lookback-session';  // When it ends. The cookie itself is out of a script's sight.

let zone = new Zone('UTC');
let timeline;  // Of the day that is shown: its gaps and spans with instants.
let turn = 0;  // Of days: an older answer gives way.
const chosen = {start: undefined, end: undefined};

const sprites = new Sprites($('cell'));
const bar = new Bar($('bar'), $('hours'), (instant) => attempt(() => seek(instant, true)), (instant) => {
  sprites.show(instant);
  if (timeline?.spans.length) attempt(() => sprites.load(timeline.camera, timeline.day, asked()));
});
const player = new Player($('video'), {
  time: showTime,
  ended: (instant) => attempt(() => goOn(instant)),
  playing: (does) => { $('play').textContent = does ? 'Pause' : 'Play'; },
  trouble: say,
});

// --- What is said

function say(text, alarming = false) {
  $('message').textContent = text;
  $('message').classList.toggle('alarm', alarming);
  $('message').hidden = !text;
}

// What a person began, with its failure told to them.
async function attempt(act) {
  try {
    await act();
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    if (failure.status === 401) leave();
    say(failure.message, true);
  }
}

const because = (gap) => gap.cause + (gap.detail ? ` (${gap.detail})` : '');

// --- In and out

function leave() {
  localStorage.removeItem(SESSION);
  player.close();
  $('view').hidden = $('who').hidden = true;
  $('login').hidden = false;
  $('token').focus();
}

async function enter() {
  const [status, {cameras}] = await Promise.all([get('/status'), get('/cameras', {removed: '1'})]);
  zone = new Zone(status.time_zone);
  $('person').textContent = status.person;
  $('camera').replaceChildren(...cameras.map(({id, name, removed}) => new Option(
      (name && name !== id ? `${name} (${id})` : id) + (removed ? ', removed' : ''), id)));
  $('login').hidden = true;
  $('view').hidden = $('who').hidden = false;
  $('date').value = $('date').max = zone.date(Date.parse(status.now));
  say('');
  if (cameras.length) return showDay();
  say('There are no cameras yet: lookback camera add ID URL adds one.');
}

$('login-form').addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(async () => {
    const {expires} = await post('/session', {token: $('token').value.trim()});
    localStorage.setItem(SESSION, expires);
    $('token').value = '';
    await enter();
  });
});

$('logout').addEventListener('click', () => attempt(async () => {
  await remove('/session');
  leave();
  say('You are logged out.');
}));

// --- A day

const asked = () => ({stream: $('stream').value, reason: $('reason').value.trim()});

const instants = (list) => list.map((one) => (
    {...one, start: Date.parse(one.start), end: Date.parse(one.end)}));

async function showDay() {
  const mine = ++turn;
  const camera = $('camera').value;
  const day = zone.day($('date').value);
  const range = {start: new Date(day.start).toISOString(), end: new Date(day.end).toISOString()};
  const [found, {holds}] = await Promise.all([
    get(`/cameras/${camera}/timeline`, {...range, ...asked()}),
    get('/holds', {...range, camera}),
  ]);
  if (mine !== turn) return;
  timeline = {
    camera, day, end: Date.parse(found.end),
    spans: instants(found.spans), gaps: instants(found.gaps), away: instants(found.away),
  };
  player.open({camera, ...asked(), end: timeline.end});
  describeDay(found);
  const forGood = Date.parse('2200-01-01');
  const part = (kind, words) => (one) => ({
    kind, start: one.start, end: one.end,
    title: `${zone.time(one.start)} to ${zone.time(one.end)}: ${words(one)}`,
  });
  const now = bar.now;
  bar.show(day, zone, [
    ...timeline.spans.map((span) => part(span.thinned ? 'thinned' : 'whole',
        () => `${span.imported ? 'imported ' : ''}${span.thinned ? 'thinned ' : ''}footage`)(span)),
    ...timeline.gaps.map(part('gap', (gap) => `missing: ${because(gap)}`)),
    ...timeline.away.map(part('away', (gap) => `cannot be read now: ${because(gap)}`)),
    ...instants(holds).filter(({expires}) => (Date.parse(expires) || forGood) > Date.now())
      .map(part('held', (hold) => `held: ${hold.case || hold.reason}`)),
  ]);
  bar.showChosen(chosen.start, chosen.end);
  if (now >= day.start && now < day.end) bar.showNow(now);
}

function describeDay({covered_us: covered, missing_us: missing}) {
  const {gaps, away} = timeline;
  $('day-text').textContent = timeline.end <= timeline.day.start ? 'This day has not begun.' :
    `${duration(covered / 1000)} of footage, ${missing ? duration(missing / 1000) : 'nothing'} missing ` +
    `(${zone.name})`;
  const lines = [...gaps, ...away].sort((a, b) => a.start - b.start);
  $('missing').hidden = !lines.length;
  $('missing').querySelector('summary').textContent =
      `What is missing, and why (${lines.length}${lines.length > MAX_LISTED ? `; the first ${MAX_LISTED}` : ''})`;
  $('missing').querySelector('ul').replaceChildren(...lines.slice(0, MAX_LISTED).map((gap) => {
    const line = document.createElement('li');
    line.textContent = `${zone.time(gap.start)} to ${zone.time(gap.end)}, ` +
        `${duration(gap.end - gap.start)}: ${because(gap)}`;
    return line;
  }));
}

for (const id of ['camera', 'stream', 'date', 'reason']) {
  $(id).addEventListener('change', () => $('choice').reportValidity() && attempt(async () => {
    say('');
    if (id === 'reason') return player.open({...player.source, ...asked()});
    const at = player.now();
    const time = at === undefined ? $('time').value : zone.time(at);
    player.close();
    sprites.clear();
    await showDay();
    // The same time of another camera or day.
    if (time) await seek(zone.instant(`${$('date').value}T${time}`), false);
  }));
}
for (const [id, days] of [['day-before', -1], ['day-after', 1]]) {
  $(id).addEventListener('click', () => {
    const date = dayAfter($('date').value, days);
    if (date > $('date').max) return;
    $('date').value = date;
    $('date').dispatchEvent(new Event('change'));
  });
}
$('time').addEventListener('change', () => $('time').value && attempt(() => (
    seek(zone.instant(`${$('date').value}T${$('time').value}`), true))));
$('choice').addEventListener('submit', (event) => event.preventDefault());

// --- The player

const missingAt = (instant) => [...timeline.gaps, ...timeline.away].find((gap) => (
    gap.start <= instant && instant < gap.end));

// Shows that instant; where it is missing, says why and shows what comes next.
async function seek(instant, play) {
  // It may have been recorded since.
  if (instant >= timeline.end && timeline.end < timeline.day.end) await showDay();
  let at = instant;
  // A bit into the first picture behind it, for instants here are whole milliseconds.
  for (let gap; (gap = missingAt(at));) at = gap.end + 2;
  const gap = missingAt(instant);
  const there = at < timeline.end;
  say(gap ? `${zone.time(instant)} is missing: ${because(gap)}. ` +
      (there ? `Footage goes on at ${zone.time(at)}.` : 'There is none after it on this day yet.') : '');
  if (!there) {
    if (!gap) say(`Nothing is recorded at ${zone.time(instant)} yet.`);
    return;
  }
  bar.showNow(at);
  await player.seek(at, play);
}

function showTime(instant) {
  if (missingAt(instant)) {
    // The last picture stands, which is of another time; and nobody waits before it.
    if (!$('video').paused) attempt(() => seek(instant, true));
    return;
  }
  $('now').textContent = zone.text(instant);
  $('now').dateTime = new Date(instant).toISOString();
  bar.showNow(instant);
}

// The clip is over: the next one, if there is more by now.
async function goOn(instant) {
  if (instant + 1000 >= timeline.end) await showDay();
  if (instant + 1000 < timeline.end) return seek(instant, true);
  say(instant + 1000 < timeline.day.end
    ? 'This is all that there is so far. Play goes on with what came since.' : 'The day is over.');
}

function step(ms) {
  const at = player.now();
  if (at !== undefined) attempt(() => seek(at + ms, !$('video').paused));
}

function toggle() {
  const video = $('video');
  if (player.now() === undefined) {
    return attempt(() => seek(timeline.spans[0]?.start ?? timeline.day.start, true));
  }
  if (video.ended) return attempt(() => goOn(player.clip.end));
  return video.paused ? player.play() : video.pause();
}

function setSound() {
  $('video').muted = !$('video').muted;
  $('sound').ariaPressed = !$('video').muted;
}

const KEYS = {
  ' ': toggle, ArrowLeft: () => step(-10_000), ArrowRight: () => step(10_000),
  i: () => choose('start'), o: () => choose('end'),
};
$('player').addEventListener('keydown', (event) => {
  if (event.target !== $('player') || !(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key]();
});
$('play').addEventListener('click', toggle);
$('picture').addEventListener('click', toggle);
$('back').addEventListener('click', () => step(-10_000));
$('forward').addEventListener('click', () => step(10_000));
$('sound').addEventListener('click', setSound);
$('speed').addEventListener('change', () => { $('video').playbackRate = Number($('speed').value); });
// The picture with its time, not the bare video.
$('full').addEventListener('click', () => (
    document.fullscreenElement ? document.exitFullscreen() : $('player').requestFullscreen()));

// --- What is taken

function choose(which, instant = player.now()) {
  if (instant === undefined) return;
  chosen[which] = instant;
  $(which).value = zone.local(instant);
  showRange();
}

function showRange() {
  const {start, end} = chosen;
  bar.showChosen(start, end);
  $('end').setCustomValidity(start >= end ? 'The end must be later than the start.' : '');
  $('range-text').textContent = start < end
    ? `${zone.text(start)} to ${zone.text(end)}, ${duration(end - start)}` : '';
}

for (const which of ['start', 'end']) {
  $(`set-${which}`).addEventListener('click', () => choose(which));
  $(which).addEventListener('change', () => {
    chosen[which] = $(which).value ? zone.instant($(which).value) : undefined;
    showRange();
  });
}

// By the browser's own download, which goes to the disk and not through this page's memory.
function download(path, query) {
  const link = document.createElement('a');
  link.href = url(path, query);
  link.download = '';
  link.click();
}

$('take').addEventListener('submit', (event) => {
  event.preventDefault();
  const camera = $('camera').value;
  const range = {start: new Date(chosen.start).toISOString(), end: new Date(chosen.end).toISOString()};
  const {stream, reason} = asked();
  const why = {case: $('case').value.trim(), reason};
  attempt(async () => {
    // What there is, before a file of it is asked for: a download's failure tells nobody why.
    const clip = await get(`/cameras/${camera}/timeline`, {...range, stream, reason});
    const missing = clip.missing_us ? `${duration(clip.missing_us / 1000)} of it missing` : 'nothing missing';
    if (!clip.readable_us) throw new Failure(404, {detail: 'There is no footage in that range.'});
    if (event.submitter?.value === 'clip') {
      download(`/cameras/${camera}/clip.mp4`,
          {...range, stream, reason: [why.case, reason].filter(Boolean).join(': ')});
      return say(`The clip is on its way, ${missing}.`);
    }
    const {hold} = await post('/exports', {cameras: [camera], ...range, ...why});
    download('/export.zip', {camera, ...range, stream, ...why});
    say(`The export is on its way, ${missing}. What it takes is held until ${zone.text(Date.parse(hold.expires))}.`);
    await showDay();
  });
});

// Without a session there is nothing to ask: a try without one would go on record as refused.
if (Date.parse(localStorage.getItem(SESSION)) > Date.now()) attempt(enter);
else leave();
