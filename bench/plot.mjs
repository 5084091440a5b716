// Charts as SVG, without a library: bars in groups, and lines. What they show is given as data; the
// same data gives the same bytes. The background is white in every page, light or dark; shapes
// differ besides colours; <title> and <desc> say in words what is seen.

const palette = ['#0b5cad', '#c2410c', '#15803d', '#9333ea', '#a16207', '#475569', '#be185d'];
const ink = '#1f2937';
const faint = '#6b7280';
const grid = '#e5e7eb';
const font = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif";
const width = 820;
const headTop = 30;  // base line of the title

// --- Numbers and text ----------------------------------------------------------------------------

export function escaped(value) {
  return String(value)
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')  // not XML at all
    .replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;').replaceAll("'", '&#39;');
}

// 1234567 → 1.23M: three digits that count, no exponent.
export function short(value) {
  if (value === 0) return '0';
  const size = Math.abs(value);
  const [divisor, suffix] = size >= 999.5e6 ? [1e9, 'G'] : size >= 999.5e3 ? [1e6, 'M']
    : size >= 999.5 ? [1e3, 'k'] : [1, ''];
  const scaled = value / divisor;
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(scaled)) + 1e-9));
  const text = scaled.toFixed(Math.min(digits, 6));
  return (text.includes('.') ? text.replace(/\.?0+$/, '') : text) + suffix;
}

const rounded = (value) => String(Math.round(value * 100) / 100);
// Good enough to leave room; nobody measures fonts here.
const textWidth = (text, size) => [...text].length * size * 0.56;

function element(name, attributes, content) {
  const list = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? rounded(value)
      : escaped(value)}"`);
  return `<${name}${list.join('')}${content === undefined ? '/>' : `>${content}</${name}>`}`;
}

const label = (x, y, text, more = {}) => element('text', { x, y, ...more }, escaped(text));
const segment = (x1, y1, x2, y2, stroke) => element('line', { x1, y1, x2, y2, stroke });

// --- Axes ----------------------------------------------------------------------------------------

// Steps of 1, 2 or 5, from zero to what is not below the highest value.
function linearTicks(highest) {
  const wanted = highest > 0 ? highest / 5 : 1;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = power * ([1, 2, 5].find((factor) => power * factor >= wanted * 0.999) ?? 10);
  const count = Math.max(1, Math.ceil(highest / step - 1e-9));
  return Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

// Powers of ten around the values; in between 2 and 5 where there are few.
function logTicks(lowest, highest) {
  const first = Math.floor(Math.log10(lowest) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(highest) - 1e-9));
  const factors = last - first <= 2 ? [1, 2, 5] : [1];
  const ticks = [];
  for (let power = first; power <= last; ++power) {
    for (const factor of power < last ? factors : [1]) {
      ticks.push(Number((factor * 10 ** power).toPrecision(3)));
    }
  }
  return ticks;
}

// Maps values to pixels from `start` to `end`. Bars on a log axis begin at its lowest tick, which
// is below every value.
function axis(values, { log = false, start, end, tight = false }) {
  const known = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  const highest = known.length ? Math.max(...known) : 1;
  const lowest = known.length ? Math.min(...known) : log ? 0.1 : 0;
  let ticks = log ? logTicks(lowest, highest) : linearTicks(highest);
  if (log && !tight && lowest <= ticks[0] * 1.001) ticks = logTicks(ticks[0] / 10, highest);
  const place = log ? Math.log10 : (value) => value;
  const low = place(ticks[0]);
  const high = place(ticks.at(-1));
  return {
    ticks,
    known: (value) => Number.isFinite(value) && (!log || value > 0),
    at: (value) => start + (end - start) * (place(value) - low) / (high - low),
  };
}

// --- The frame of every chart --------------------------------------------------------------------

function wrapped(text, size, room) {
  const lines = [''];
  for (const word of String(text ?? '').split(/\s+/)) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (lines.at(-1) && textWidth(longer, size) > room) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines.filter(Boolean);
}

const shapes = {
  circle: (x, y, fill) => element('circle', { cx: x, cy: y, r: 4, fill, class: 'marker' }),
  square: (x, y, fill) => element('rect', { x: x - 3.8, y: y - 3.8, width: 7.6, height: 7.6, fill,
    class: 'marker' }),
  triangle: (x, y, fill) => element('path', { class: 'marker', fill,
    d: `M${rounded(x)} ${rounded(y - 5)}l4.8 8.4h-9.6z` }),
  diamond: (x, y, fill) => element('path', { class: 'marker', fill,
    d: `M${rounded(x)} ${rounded(y - 5.4)}l5.4 5.4l-5.4 5.4l-5.4 -5.4z` }),
};
const shapeNames = Object.keys(shapes);
const shapeOf = (index) => shapes[shapeNames[index % shapeNames.length]];
const colourOf = (series, index) => series.colour ?? palette[index % palette.length];

// Entries from left to right, in as many rows as they need. Answers { svg, bottom }.
function legend(series, top, mark) {
  if (series.length < 2 && !series[0]?.name) return { svg: '', bottom: top };
  const parts = [];
  let x = 20;
  let y = top + 14;
  series.forEach(({ name }, i) => {
    const takes = 32 + textWidth(name, 13);
    if (x > 20 && x + takes > width - 16) {
      x = 20;
      y += 20;
    }
    parts.push(mark(i, x + 8, y - 4), label(x + 22, y, name, { class: 'legend' }));
    x += takes + 12;
  });
  return { svg: parts.join('\n'), bottom: y + 10 };
}

// Title and subtitle; answers { svg, bottom }.
function head({ title, subtitle }) {
  const titles = wrapped(title, 18, width - 40);
  const more = wrapped(subtitle, 13, width - 40);
  const parts = titles.map((text, i) =>
    label(20, headTop + i * 23, text, { 'font-size': 18, 'font-weight': 600 }));
  const below = headTop + (titles.length - 1) * 23;
  parts.push(...more.map((text, i) => label(20, below + 21 + i * 17, text, { fill: faint })));
  return { svg: parts.join('\n'), bottom: below + 10 + more.length * 17 };
}

function page(chart, height, body) {
  const { title, description } = chart;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${rounded(height)}" `
      + `viewBox="0 0 ${width} ${rounded(height)}" role="img" aria-labelledby="t d" `
      + `font-family="${escaped(font)}" font-size="13" fill="${ink}">`,
    element('title', { id: 't' }, escaped(title)),
    element('desc', { id: 'd' }, escaped(description ?? chart.subtitle ?? title)),
    element('rect', { x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 6, fill: '#ffffff',
      stroke: '#d1d5db' }),
    ...body.filter(Boolean),
    '</svg>', ''].join('\n');
}

// --- Bars ----------------------------------------------------------------------------------------

const barHeight = 15;
const groupGap = 14;

// Lying bars: the names of groups are sentences. chart: { title, subtitle, description, groups:
// [name], series: [{ name, values: [number or null, as many as groups], low, high, colour }],
// value: { label, log, show } }. `low` and `high`, of the same length, draw a whisker.
export function barChart(chart) {
  const { groups, series, value = {} } = chart;
  const show = value.show ?? short;
  const top = head(chart);
  const names = legend(series, top.bottom, (i, x, y) =>
    element('rect', { x: x - 6, y: y - 6, width: 12, height: 12, fill: colourOf(series[i], i) }));
  const left = Math.min(320, 34 + Math.max(60, ...groups.map((name) => textWidth(name, 13))));
  const plotTop = names.bottom + 8;
  const groupHeight = Math.max(series.length * barHeight, barHeight + 4);
  const bottom = plotTop + groups.length * (groupHeight + groupGap) + 2;
  const right = width - 74;  // what a bar says stands behind its end
  const all = series.flatMap((s) => [...s.values, ...(s.high ?? []), ...(s.low ?? [])]);
  const scale = axis(all, { log: value.log, start: left, end: right });
  const body = [top.svg, names.svg];
  for (const tick of scale.ticks) {
    const x = scale.at(tick);
    body.push(segment(x, plotTop, x, bottom, grid),
      label(x, bottom + 17, show(tick), { 'text-anchor': 'middle', class: 'tick', fill: faint,
        'data-value': String(tick) }));
  }
  groups.forEach((name, g) => {
    const y = plotTop + groupGap / 2 + g * (groupHeight + groupGap);
    const lines = wrapped(name, 13, left - 30);
    lines.forEach((text, i) => body.push(label(left - 10,
      y + groupHeight / 2 + 4.5 + (i - (lines.length - 1) / 2) * 15, text,
      { 'text-anchor': 'end', class: 'group' })));
    series.forEach((s, i) => {
      body.push(...bar({ s, g, x: left, y: y + i * barHeight, colour: colourOf(s, i), scale,
        show }));
    });
  });
  body.push(segment(left, plotTop, left, bottom, faint));
  const axisName = value.log ? `${value.label ?? ''} (logarithmic)` : value.label;
  if (axisName) {
    body.push(label((left + right) / 2, bottom + 38, axisName, { 'text-anchor': 'middle' }));
  }
  return page(chart, bottom + (axisName ? 52 : 30), body);
}

function bar({ s, g, x, y, colour, scale, show }) {
  const value = s.values[g];
  if (!scale.known(value)) {
    return [label(x + 5, y + 11.5, s.missing?.[g] ?? 'not measured', { 'font-size': 11,
      fill: faint, class: 'missing' })];
  }
  const end = scale.at(value);
  const parts = [element('rect', { x, y: y + 1, width: Math.max(0, end - x),
    height: barHeight - 2, fill: colour, class: 'bar', 'data-group': String(g),
    'data-series': s.name, 'data-value': String(value) })];
  const [low, high] = [s.low?.[g], s.high?.[g]];
  const whisker = scale.known(low) && scale.known(high) && high > low;
  if (whisker) {
    const [from, to] = [scale.at(low), scale.at(high)];
    const middle = y + barHeight / 2;
    parts.push(element('path', { fill: 'none', stroke: ink, class: 'whisker',
      d: `M${rounded(from)} ${rounded(middle - 3)}v6m0 -3H${rounded(to)}m0 -3v6` }));
  }
  const after = (whisker ? Math.max(end, scale.at(high)) : end) + 5;
  parts.push(label(after, y + 11.5, show(value), { 'font-size': 11, class: 'value' }));
  return parts;
}

// --- Lines ---------------------------------------------------------------------------------------

const lineHeight = 300;

// chart: { title, subtitle, description, x: { label, log, show }, y: { the same }, series:
// [{ name, points: [{ x, y, low, high }], colour, dashed }] }. `low` and `high` draw a band.
export function lineChart(chart) {
  const { series, x: across = {}, y: up = {} } = chart;
  const top = head(chart);
  const names = legend(series, top.bottom, (i, x, y) => {
    const colour = colourOf(series[i], i);
    return stroke([{ x: x - 8, y }, { x: x + 8, y }], colour, series[i].dashed)
      + shapeOf(i)(x, y, colour);
  });
  const [left, right] = [84, width - 28];
  const plotTop = names.bottom + 12;
  const bottom = plotTop + lineHeight;
  const points = series.flatMap((s) => s.points);
  const scaleX = axis(points.map((p) => p.x), { log: across.log, start: left, end: right,
    tight: true });
  const scaleY = axis(points.flatMap((p) => [p.y, p.low, p.high]), { log: up.log, start: bottom,
    end: plotTop, tight: true });
  const body = [top.svg, names.svg];
  for (const tick of scaleY.ticks) {
    const y = scaleY.at(tick);
    body.push(segment(left, y, right, y, grid), label(left - 8, y + 4.5, (up.show ?? short)(tick),
      { 'text-anchor': 'end', class: 'tick y', fill: faint, 'data-value': String(tick) }));
  }
  for (const tick of scaleX.ticks) {
    const x = scaleX.at(tick);
    body.push(segment(x, plotTop, x, bottom, grid), label(x, bottom + 18,
      (across.show ?? short)(tick), { 'text-anchor': 'middle', class: 'tick x', fill: faint,
        'data-value': String(tick) }));
  }
  body.push(segment(left, plotTop, left, bottom, faint), segment(left, bottom, right, bottom,
    faint));
  series.forEach((s, i) => body.push(...line(s, i, scaleX, scaleY)));
  const middle = (plotTop + bottom) / 2;
  body.push(
    label((left + right) / 2, bottom + 42, across.label ?? '', { 'text-anchor': 'middle' }),
    label(24, middle, up.label ?? '', { 'text-anchor': 'middle',
      transform: `rotate(-90 24 ${rounded(middle)})` }));
  return page(chart, bottom + 58, body);
}

function line(series, index, scaleX, scaleY) {
  const colour = colourOf(series, index);
  const at = (x, y) => ({ x: scaleX.at(x), y: scaleY.at(y) });
  const known = series.points.filter((p) => scaleX.known(p.x) && scaleY.known(p.y));
  const parts = [];
  const banded = known.filter((p) => scaleY.known(p.low) && scaleY.known(p.high));
  if (banded.length > 1) {
    const outline = [...banded.map((p) => at(p.x, p.high)),
      ...banded.toReversed().map((p) => at(p.x, p.low))];
    parts.push(element('polygon', { class: 'band', fill: colour, 'fill-opacity': '0.14',
      points: outline.map((p) => `${rounded(p.x)},${rounded(p.y)}`).join(' ') }));
  }
  const places = known.map((p) => at(p.x, p.y));
  if (places.length > 1) parts.push(stroke(places, colour, series.dashed, series.name));
  parts.push(...places.map((p) => shapeOf(index)(p.x, p.y, colour)));
  return parts;
}

function stroke(places, colour, dashed, name) {
  return element('polyline', { fill: 'none', stroke: colour, 'stroke-width': '2',
    'stroke-linejoin': 'round', 'stroke-dasharray': dashed ? '6 4' : undefined,
    'data-series': name, class: name === undefined ? undefined : 'line',
    points: places.map((p) => `${rounded(p.x)},${rounded(p.y)}`).join(' ') });
}
