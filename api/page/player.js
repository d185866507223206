// Plays a camera's footage by clips of ten minutes (GET …/clip.mp4), which a <video> takes as they are.
//
// In a clip gaps are kept, so its clock runs with the wall's: the time of the picture that is shown is
// where the clip begins (X-Lookback-Shown) plus the time of that picture in it.

import {head, url} from '/page/api.js';

const WINDOW = 10 * 60_000;  // Whole ones, so that going back and forth needs no other clip.

// What a browser may not know: H.265 in the main stream, G.711 for the sound.
const FALLBACKS = [
  {audio: '1'}, {audio: '0'}, {stream: 'sub', audio: '1'}, {stream: 'sub', audio: '0'},
];

export class Player {
  // `on`: time(instant), ended(instant up to which the clip was), playing(whether), trouble(text).
  constructor(video, on) {
    this.video = video;
    this.on = on;
    this.turn = 0;  // Of loads: an older one gives way.
    this.close();
    video.addEventListener('play', () => on.playing(true));
    video.addEventListener('pause', () => on.playing(false));
    video.addEventListener('ended', () => on.ended(this.clip.end));
    for (const event of ['timeupdate', 'seeked', 'pause']) {
      video.addEventListener(event, () => this.clip && on.time(this.now()));
    }
    video.addEventListener('error', () => this.fallBack());
  }

  // Of which camera, why, and up to which instant there is footage.
  open(source) {
    const other = source.camera !== this.source?.camera || source.stream !== this.source?.stream;
    if (other) this.close();
    this.source = source;
  }

  close() {
    this.turn += 1;
    this.clip = undefined;
    this.fallback = 0;
    this.video.removeAttribute('src');
    this.video.load();
  }

  now() {
    return this.clip && this.clip.shown + this.video.currentTime * 1000;
  }

  async seek(instant, play) {
    this.wanted = instant;
    const start = Math.floor(instant / WINDOW) * WINDOW;
    const end = Math.min(start + WINDOW, this.source.end);
    if (this.clip?.start !== start || this.clip.end < Math.min(end, instant + 1000)) {
      if (!await this.load(start, end)) return;
    }
    this.goToWanted();
    if (play) await this.play();
  }

  goToWanted() {
    this.video.currentTime = Math.max(0, (this.wanted - this.clip.shown) / 1000);
  }

  // Browsers refuse to play with sound before somebody touched the page.
  async play() {
    await this.video.play().catch(() => undefined);
  }

  // False when another load came in between.
  async load(start, end) {
    const turn = ++this.turn;
    const {camera, stream, reason} = this.source;
    const query = {
      start: new Date(start).toISOString(), end: new Date(end).toISOString(), stream, reason,
      ...FALLBACKS[this.fallback],
    };
    const path = `/cameras/${camera}/clip.mp4`;
    const headers = await head(path, query);
    if (turn !== this.turn) return false;
    const shown = Date.parse(headers.get('X-Lookback-Shown').split('/')[0]);
    this.clip = {start, end, shown};
    const {playbackRate} = this.video;
    this.video.src = url(path, query);
    this.video.playbackRate = playbackRate;
    return true;
  }

  // The browser cannot play this one: without its sound, then the other stream.
  async fallBack() {
    if (!this.clip || !this.video.error) return;
    const {start, end} = this.clip;
    this.fallback += 1;
    if (this.fallback === FALLBACKS.length) {
      this.on.trouble('This browser plays neither stream of this camera. Download the clip: players do.');
      return;
    }
    if (FALLBACKS[this.fallback].stream === 'sub') {
      this.on.trouble('This browser does not play the main stream of this camera; the sub stream is shown.');
    }
    try {
      if (!await this.load(start, end)) return;
      this.goToWanted();
      await this.play();
    } catch (failure) {
      this.on.trouble(`This browser does not play this footage, and there is no other: ${failure.message}`);
    }
  }
}
