// A chart over time by uPlot, in the colours of the theme.
import { html, useEffect, useRef } from '../lib/html.js';
import { useStore } from '../lib/store.js';
import { theme } from '../lib/theme.js';
import { store } from '../lib/store.js';

const HEIGHT = 190;
const dark = matchMedia('(prefers-color-scheme: dark)');
const shade = store(dark.matches);
dark.addEventListener('change', () => shade.set(dark.matches));

// canvases know no variables: the colour is what an element of that colour has
function colour(host, name) {
  host.style.color = `var(--${name})`;
  const value = getComputedStyle(host).color;
  host.style.color = '';
  return value;
}

const two = (n) => String(n).padStart(2, '0');

function ticksOf(_, ticks, __, ___, step) {
  return ticks.map((tick) => {
    const at = new Date(tick * 1000);
    const midnight = !at.getHours() && !at.getMinutes();
    return step >= 86400 || midnight ? `${two(at.getMonth() + 1)}-${two(at.getDate())}` : `${two(at.getHours())}:${two(at.getMinutes())}`;
  });
}

// times: seconds; series: [{label, values, colour, bars}]; `format` writes a value
export function Chart({ label, times, series, format = String }) {
  const place = useRef(null);
  const chosen = useStore(theme);
  const system = useStore(shade);
  useEffect(() => {
    const host = place.current;
    const [line, dim] = [colour(host, 'line'), colour(host, 'dim')];
    const axis = { stroke: dim, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: '11px system-ui, sans-serif' };
    const chart = new uPlot({
      width: Math.max(200, host.clientWidth),
      height: HEIGHT,
      legend: { live: true },
      cursor: { points: { size: 6 }, drag: { x: false, y: false } },
      scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.08] } },
      axes: [{ ...axis, values: ticksOf }, { ...axis, size: 62, values: (_, ticks) => ticks.map((tick) => format(tick)) }],
      series: [{ label: 'Time', value: (_, at) => (at ? new Date(at * 1000).toLocaleString('sv').slice(0, 16) : '') }, ...series.map((one) => {
        const stroke = colour(host, one.colour);
        return {
          label: one.label, stroke, width: one.bars ? 0 : 1.75, fill: one.bars ? stroke : undefined,
          // a line between fewer than three points is no line
          points: { show: !one.bars && one.values.filter((value) => value !== null).length < 3 },
          paths: one.bars ? uPlot.paths.bars({ size: [0.7, 40] }) : undefined,
          value: (_, value) => (value === null || value === undefined ? '–' : format(value)),
        };
      })],
    }, [times, ...series.map((one) => one.values)], host);
    const resized = new ResizeObserver(() => chart.setSize({ width: Math.max(200, host.clientWidth), height: HEIGHT }));
    resized.observe(host);
    return () => {
      resized.disconnect();
      chart.destroy();
    };
  }, [times, series, chosen, system]);
  return html`<div class="chart" ref=${place} role="img" aria-label=${label}></div>`;
}
