// Small pictures of a day, for who moves over the bar: one sheet of them, and the WebVTT that says
// where in it each one is (GET …/sprites.vtt).

import {text, url} from '/page/api.js';

const TRIES = 20;  // The server decodes for some seconds at a time, and gets further with each try.
const AGAIN_MS = 1000;

export class Sprites {
  // `box` shows one cell of the sheet, which is the <img> in it.
  constructor(box) {
    this.box = box;
    this.sheet = box.querySelector('img');
    this.sheet.addEventListener('error', () => this.tryAgain());
    this.clear();
  }

  clear() {
    this.turn = (this.turn ?? 0) + 1;
    this.cues = [];
    this.tries = 0;
    this.asked = false;
    this.sheet.removeAttribute('src');
  }

  // Once a day, when somebody first wants to see: it is decoded for it, and goes on record.
  async load(camera, range, query) {
    if (this.asked) return;
    this.asked = true;
    const turn = this.turn;
    const [start, end] = [range.start, range.end].map((instant) => new Date(instant).toISOString());
    const cues = await text(`/cameras/${camera}/sprites.vtt`, {start, end, ...query});
    if (turn !== this.turn) return;
    this.cues = [...cues.matchAll(/^([\d:.]+) --> ([\d:.]+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)$/gm)]
      .map(([, from, to, file, ...box]) => ({
        start: range.start + milliseconds(from), end: range.start + milliseconds(to),
        file: url(`/cameras/${camera}/${file}`), box: box.map(Number),
      }));
    if (this.cues.length) this.sheet.src = this.cues[0].file;
  }

  tryAgain() {
    const turn = this.turn;
    if (this.cues.length && ++this.tries < TRIES) {
      setTimeout(() => { if (turn === this.turn) this.sheet.src = this.cues[0].file; }, AGAIN_MS);
    }
  }

  // The cell of that instant; hides the box where there is none.
  show(instant) {
    const cue = this.cues.find(({start, end}) => start <= instant && instant < end);
    this.box.hidden = !cue || !this.sheet.complete || !this.sheet.naturalWidth;
    if (this.box.hidden) return;
    const [left, top, width, height] = cue.box;
    Object.assign(this.box.style, {width: `${width}px`, height: `${height}px`});
    Object.assign(this.sheet.style, {left: `${-left}px`, top: `${-top}px`});
  }
}

const milliseconds = (time) => time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0) * 1000;
