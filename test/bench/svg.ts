/** A line of a plot: how something grows along a few steps. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

const WIDTH = 760;
const HEIGHT = 420;
const LEFT = 84;
const RIGHT = 190;
const TOP = 46;
const BOTTOM = 52;

/** Readable on white and on black. */
const COLOURS = ['#2f81f7', '#d29922', '#2da44e', '#e5534b', '#a371f7', '#768390', '#db61a2', '#1b9aaa'];

/** Between two names at the ends of lines. */
const LINE_HEIGHT = 16;

/**
 * A plot of several lines, as SVG. The steps of x have the same width each, whatever they are; y begins at 0. It takes
 * its colours of text and lines from the reader's scheme, light or dark.
 */
export function plot(title: string, xLabel: string, yLabel: string, series: readonly Series[]): string {
  const steps = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const most = Math.max(...series.flatMap(({ points }) => points.map(([, y]) => y)), 1);
  const { ceiling, tick } = scale(most);
  const inner = { width: WIDTH - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM };
  const xOf = (x: number) =>
    LEFT + (steps.length < 2 ? 0.5 : steps.indexOf(x) / (steps.length - 1)) * inner.width;
  const yOf = (y: number) => TOP + (1 - y / ceiling) * inner.height;
  const ticks = Array.from({ length: Math.round(ceiling / tick) + 1 }, (_, index) => index * tick);
  const labels = spreadOut(series.map(({ points }) => yOf(points.at(-1)?.[1] ?? 0)));
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">`,
    STYLE,
    `<text x="${LEFT}" y="24" class="title">${escaped(title)}</text>`,
    ...ticks.map(
      (value) =>
        `<path class="grid" d="M${LEFT} ${at(yOf(value))}H${WIDTH - RIGHT}"/>` +
        `<text x="${LEFT - 8}" y="${at(yOf(value) + 4)}" text-anchor="end">${value.toLocaleString('en-US')}</text>`,
    ),
    ...steps.map(
      (step) => `<text x="${at(xOf(step))}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle">${step}</text>`,
    ),
    `<text x="${LEFT + inner.width / 2}" y="${HEIGHT - 10}" text-anchor="middle">${escaped(xLabel)}</text>`,
    `<text transform="translate(16 ${TOP + inner.height / 2}) rotate(-90)" text-anchor="middle">${escaped(yLabel)}</text>`,
    ...series.map(({ name, points }, index) => {
      const colour = COLOURS[index % COLOURS.length];
      const line = points.map(([x, y]) => `${at(xOf(x))},${at(yOf(y))}`).join(' ');
      const dots = points.map(([x, y]) => `<circle cx="${at(xOf(x))}" cy="${at(yOf(y))}" r="3.5"/>`).join('');
      const last = points.at(-1);
      const label =
        last === undefined
          ? ''
          : `<text x="${at(xOf(last[0]) + 10)}" y="${at((labels[index] ?? 0) + 4)}" style="fill:${colour}">${escaped(name)}</text>`;
      return (
        `<g fill="${colour}"><polyline points="${line}" fill="none" stroke="${colour}" stroke-width="2.5"/>` +
        `${dots}${label}</g>`
      );
    }),
    '</svg>',
  ].join('\n')}\n`;
}

const STYLE = `<style>
text { font: 13px system-ui, sans-serif; fill: #424a53 }
.title { font-size: 15px; font-weight: 600 }
.grid { stroke: #8c959f; stroke-opacity: 0.35 }
@media (prefers-color-scheme: dark) { text { fill: #c9d1d9 } }
</style>`;

/** Round numbers for the lines across, four to eight of them. */
function scale(most: number): { ceiling: number; tick: number } {
  const power = 10 ** Math.floor(Math.log10(most));
  const tick = [0.2, 0.5, 1, 2].map((part) => part * power).find((size) => most / size <= 7) ?? 2 * power;
  return { ceiling: Math.ceil(most / tick) * tick, tick };
}

/** Moves heights apart that are closer than a line of text, in their order. */
function spreadOut(heights: readonly number[]): number[] {
  const order = heights.map((_, index) => index).sort((a, b) => (heights[a] ?? 0) - (heights[b] ?? 0));
  const placed = [...heights];
  let before = -LINE_HEIGHT;
  for (const index of order) {
    placed[index] = Math.max(heights[index] ?? 0, before + LINE_HEIGHT);
    before = placed[index] ?? 0;
  }
  // Those that were pushed out below are pushed back up.
  let below = HEIGHT - BOTTOM + LINE_HEIGHT;
  for (const index of order.toReversed()) {
    placed[index] = Math.min(placed[index] ?? 0, below - LINE_HEIGHT);
    below = placed[index] ?? 0;
  }
  return placed;
}

const at = (value: number) => Number(value.toFixed(1));

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
