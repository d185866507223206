// A day as a bar: what there is of it, what is missing, what is held, where the player is, and what is
// chosen. A click or the arrow keys go to a time.

const MINUTE = 60_000;
const STEPS = {
  ArrowLeft: -MINUTE, ArrowRight: MINUTE, ArrowDown: -MINUTE, ArrowUp: MINUTE,
  PageDown: -60 * MINUTE, PageUp: 60 * MINUTE,
};
const LABEL_PX = 44;  // What an hour's label takes.
const PREVIEW_PX = 160;  // And a small picture.

export class Bar {
  // `seek` is told the instant, `look` the one that a mouse is over.
  constructor(root, hours, seek, look) {
    this.root = root;
    this.hours = hours;
    this.footage = root.querySelector('#footage');
    this.chosen = root.querySelector('#chosen');
    this.playhead = root.querySelector('#playhead');
    this.preview = root.querySelector('#preview');
    this.day = {start: 0, end: 1};
    root.addEventListener('click', (event) => seek(this.instantAt(event.clientX)));
    root.addEventListener('keydown', (event) => {
      const {start, end} = this.day;
      const to = {Home: start, End: end - MINUTE}[event.key] ??
          (event.key in STEPS ? (this.now ?? start) + STEPS[event.key] : undefined);
      if (to === undefined) return;
      event.preventDefault();
      seek(Math.min(Math.max(to, start), end - 1000));
    });
    root.addEventListener('pointermove', ({clientX, pointerType}) => {
      if (pointerType !== 'mouse' || !this.zone) return;
      const instant = this.instantAt(clientX);
      this.preview.hidden = false;
      this.preview.querySelector('span').textContent = this.zone.time(instant);
      const {left, width} = root.getBoundingClientRect();
      this.preview.style.left = `${Math.min(Math.max(clientX - left, PREVIEW_PX / 2), width - PREVIEW_PX / 2)}px`;
      look(instant);
    });
    root.addEventListener('pointerleave', () => { this.preview.hidden = true; });
    new ResizeObserver(() => this.labelHours()).observe(root);
  }

  // `parts` are of class whole, thinned, gap, away or held; what comes later lies above.
  show(day, zone, parts) {
    this.day = day;
    this.zone = zone;
    this.footage.replaceChildren(...parts.map(({kind, start, end, title}) => {
      const part = document.createElement('div');
      part.className = kind;
      part.title = title;
      this.place(part, start, end);
      return part;
    }));
    this.labelHours();
    this.showNow(undefined);
  }

  showNow(instant) {
    this.now = instant;
    const {start, end} = this.day;
    this.playhead.hidden = !(instant >= start && instant < end);
    this.root.ariaValueMin = start;
    this.root.ariaValueMax = end;
    this.root.ariaValueNow = instant ?? start;
    this.root.ariaValueText = instant === undefined ? 'no time chosen' : this.zone.text(instant);
    if (!this.playhead.hidden) this.place(this.playhead, instant, instant);
  }

  showChosen(start, end) {
    Object.assign(this.chosen.dataset, {start, end});
    this.chosen.hidden = !(start < end && start < this.day.end && end > this.day.start);
    if (!this.chosen.hidden) this.place(this.chosen, start, end);
  }

  instantAt(x) {
    const box = this.root.getBoundingClientRect();
    const share = Math.min(Math.max((x - box.left) / box.width, 0), 1);
    return this.day.start + share * (this.day.end - this.day.start);
  }

  place(element, start, end) {
    const share = (instant) => {
      const whole = this.day.end - this.day.start;
      return 100 * Math.min(Math.max((instant - this.day.start) / whole, 0), 1);
    };
    element.style.left = `${share(start)}%`;
    element.style.width = `${share(end) - share(start)}%`;
  }

  // As many as there is room for, at what clocks show then.
  labelHours() {
    if (!this.zone) return;
    const room = this.root.clientWidth / LABEL_PX;
    const every = [1, 2, 3, 6, 12].find((hours) => 24 / hours <= room) ?? 12;
    const labels = [];
    for (let at = this.day.start; at < this.day.end; at += 60 * MINUTE) {
      const time = this.zone.time(at);
      if (Number(time.slice(0, 2)) % every) continue;
      const label = document.createElement('span');
      label.textContent = time.slice(0, 5);
      this.place(label, at, at);
      labels.push(label);
    }
    this.hours.replaceChildren(...labels);
  }
}
