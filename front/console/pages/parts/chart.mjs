/** A chart over time, drawn by uPlot in the theme's colours. */

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { style } from '../../style.mjs';
import { theme } from '../../theme_choice.mjs';
import { html } from '../../ui.mjs';
import { clock } from '../../words.mjs';

await style('vendor/uPlot.min.css');

/**
 * @typedef {object} Line
 * @property {string} label
 * @property {(number|null)[]} values one for each time; null: none
 * @property {string} colour of `--figure-<colour>`
 * @property {boolean} [bars]
 */

const HEIGHT_PX = 220; // px

/**
 * @param {object} props
 * @param {string} props.label what it shows, for those who cannot see it
 * @param {number[]} props.at Unix seconds
 * @param {number} props.step seconds between them
 * @param {Line[]} props.lines
 * @param {(value: number) => string} props.text a value in words
 * @param {(at: number) => string} [props.tick] a time in words, for the axis
 */
export function Chart({ label, at, step, lines, text, tick = minuteOf }) {
  const box = useRef(/** @type {HTMLElement|null} */ (null));
  const plot = useRef(/** @type {uPlot|null} */ (null));
  const [index, setIndex] = useState(/** @type {number|null} */ (null));
  const scheme = useScheme();
  const data = /** @type {uPlot.AlignedData} */ ([at, ...lines.map(({ values }) => values)]);
  useLayoutEffect(() => {
    const target = /** @type {HTMLElement} */ (box.current);
    const made = new uPlot(options(target, step, lines, { text, tick }, setIndex), data, target);
    plot.current = made;
    const watcher = new ResizeObserver(([entry]) =>
      made.setSize({ width: Math.floor(entry.contentRect.width), height: HEIGHT_PX }),
    );
    watcher.observe(target);
    return () => {
      watcher.disconnect();
      made.destroy();
    };
  }, [scheme, step, tick]);
  useLayoutEffect(() => plot.current?.setData(data), [at, ...lines.map(({ values }) => values)]);
  return html`<figure class="chart">
    <div class="chart-box" ref=${box} role="img" aria-label=${label}></div>
    <figcaption class="chart-legend">
      <span class="chart-time muted">${index === null ? 'Last' : clock(at[index] - step)}</span>
      ${lines.map(
        (line) => html`<span class="chart-key" key=${line.label}>
        <span class=${`chart-swatch swatch-${line.colour}`} aria-hidden="true"></span>${line.label} <strong>${valueAt(line, index, text)}</strong>
      </span>`,
      )}
    </figcaption>
  </figure>`;
}

/** @param {number} at */
const minuteOf = (at) => new Date(at * 1000).toLocaleTimeString('en-GB').slice(0, 5);

/** @param {Line} line @param {number|null} index @param {(value: number) => string} text */
function valueAt({ values }, index, text) {
  const value = index === null ? values.findLast((each) => each !== null) : values[index];
  return value === null || value === undefined ? '–' : text(value);
}

/** Return a value that changes when the colours change: by the user's choice, or the system's. */
function useScheme() {
  const [dark, setDark] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches);
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const follow = () => setDark(query.matches);
    query.addEventListener('change', follow);
    return () => query.removeEventListener('change', follow);
  }, []);
  return `${theme.value} ${dark}`;
}

/**
 * @param {HTMLElement} target
 * @param {number} step
 * @param {Line[]} lines
 * @param {{ text: (value: number) => string, tick: (at: number) => string }} words
 * @param {(index: number|null) => void} onPoint
 * @returns {uPlot.Options}
 */
function options(target, step, lines, { text, tick }, onPoint) {
  const colour = colours(target);
  const axis = {
    stroke: colour('muted'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  return {
    width: Math.max(100, Math.floor(target.clientWidth)),
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { setScale: false } },
    scales: {
      x: { time: true, range: (_, first, last) => [first - step / 2, last + step / 2] },
      y: { range: (_, __, most) => [0, Math.max(most * 1.08, Number.MIN_VALUE)] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 28,
        space: 70,
        values: (_, times) => times.map(tick),
      },
      {
        ...axis,
        size: 62,
        splits: undefined,
        values: (_, values) => values.map((value) => (value === 0 ? '0' : text(value))),
      },
    ],
    series: [{}, ...lines.map((line) => drawn(line, colour(`figure-${line.colour}`)))],
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
  };
}

/** @param {Line} line @param {string} colour @returns {uPlot.Series} */
function drawn({ label, bars }, colour) {
  if (bars)
    return {
      label,
      stroke: colour,
      fill: colour,
      width: 0,
      paths: uPlot.paths.bars?.({ size: [0.7, 24] }),
      points: { show: false },
    };
  return { label, stroke: colour, width: 2, spanGaps: true, points: { show: true, size: 5, fill: colour } };
}

/** Return colours of the style sheet, resolved as the canvas needs them. @param {HTMLElement} target */
function colours(target) {
  return (/** @type {string} */ name) => {
    const probe = document.createElement('span');
    probe.style.color = `var(--${name})`;
    target.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
}
