// The charts of bench/: what is drawn is what was measured, and it is XML.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { barChart, lineChart, short } from '../../bench/plot.mjs';

// Enough of XML for SVG, and strict: [{ name, attributes, text, children }] of the root element.
function parse(xml) {
  const decode = (text) => {
    assert.doesNotMatch(text, /&(?!(amp|lt|gt|quot|#39);)/, 'a bare &');
    const named = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
    return text.replace(/&([a-z#0-9]+);/g, (_, name) => named[name]);
  };
  const top = { name: '', children: [], text: '' };
  const open = [top];
  const piece = /<\/([\w:]+)>|<([\w:]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gy;
  let end = 0;
  for (const [whole, closes, opens, list, empty, text] of xml.matchAll(piece)) {
    end += whole.length;
    if (text) {
      open.at(-1).text += decode(text);
    } else if (closes) {
      assert.equal(open.pop().name, closes, 'elements cross');
    } else {
      const attributes = {};
      for (const [, key, value] of list.matchAll(/([\w:-]+)="([^"]*)"/g)) {
        assert.ok(!(key in attributes), `${key} twice in <${opens}>`);
        attributes[key] = decode(value);
      }
      const made = { name: opens, attributes, children: [], text: '' };
      open.at(-1).children.push(made);
      if (!empty) open.push(made);
    }
  }
  assert.equal(end, xml.length, `not XML: ${xml.slice(end, end + 60)}`);
  assert.equal(open.length, 1, 'an element is left open');
  assert.equal(top.children.length, 1, 'one root');
  return top.children[0];
}

const all = (node, test) =>
  node.children.flatMap((child) => [...(test(child) ? [child] : []), ...all(child, test)]);
const classed = (name) => (node) => node.attributes.class?.split(' ').includes(name);
const number = (node, key) => Number(node.attributes[key]);

const bars = {
  title: 'Messages <each> second & "more"',
  description: 'What it says',
  groups: ['one', 'two & <three>'],
  series: [
    { name: 'Fairlead', values: [1000, 400], low: [900, 400], high: [1200, 400] },
    { name: "other's", values: [250, null] },
  ],
  value: { label: 'messages per second' },
};

test('A chart has a name and a description, and everything in it is escaped', () => {
  const root = parse(barChart(bars));
  assert.equal(root.name, 'svg');
  const [title, description] = root.children;
  assert.deepEqual([title.name, title.text], ['title', bars.title]);
  assert.deepEqual([description.name, description.text], ['desc', 'What it says']);
  const legend = all(root, classed('legend')).map((node) => node.text);
  assert.deepEqual(legend, ['Fairlead', "other's"]);
  assert.ok(all(root, classed('group')).some((node) => node.text === 'two & <three>'));
});

test('Control characters, which XML cannot have, are left out', () => {
  parse(barChart({ ...bars, title: 'a\u0000b\u001bc' }));
  assert.doesNotMatch(barChart({ ...bars, title: 'a\u0000b\u001bc' }), /[\u0000\u001b]/);
});

test('Bars are as long as their values, and a value that is missing has none', () => {
  const root = parse(barChart(bars));
  const found = all(root, classed('bar'));
  assert.equal(found.length, 3);
  const perUnit = found.map((node) => number(node, 'width') / number(node, 'data-value'));
  for (const each of perUnit) assert.ok(Math.abs(each / perUnit[0] - 1) < 0.001, `${perUnit}`);
  assert.equal(all(root, classed('missing')).length, 1);
  assert.equal(all(root, classed('whisker')).length, 1, 'no whisker without a spread');
});

test('The ticks of an axis stand where their values are', () => {
  const root = parse(barChart(bars));
  const bar = all(root, classed('bar'))[0];
  const zero = number(bar, 'x');
  const perUnit = number(bar, 'width') / number(bar, 'data-value');
  const ticks = all(root, classed('tick'));
  assert.ok(ticks.length >= 3);
  for (const tick of ticks) {
    const there = (number(tick, 'x') - zero) / perUnit;
    assert.ok(Math.abs(there - number(tick, 'data-value')) < 2, `${there}`);
  }
  assert.ok(number(ticks.at(-1), 'data-value') >= 1200, 'the highest whisker has room');
});

test('A logarithmic axis has powers of ten, at equal distances, and every bar a length', () => {
  const chart = { ...bars, series: [{ name: 'a', values: [1, 100_000] }], value: { log: true } };
  const root = parse(barChart(chart));
  const ticks = all(root, classed('tick'));
  assert.deepEqual(
    ticks.map((tick) => number(tick, 'data-value')),
    [0.1, 1, 10, 100, 1_000, 10_000, 100_000],
  );
  const places = ticks.map((tick) => number(tick, 'x'));
  const step = places[1] - places[0];
  places.forEach((place, i) => assert.ok(Math.abs(place - places[0] - i * step) < 0.1));
  const lengths = all(root, classed('bar')).map((node) => number(node, 'width'));
  assert.ok(Math.abs(lengths[0] - step) < 0.1 && Math.abs(lengths[1] - 6 * step) < 0.1);
});

test('A line goes through its points, on logarithmic axes, with a band', () => {
  const points = [10, 1_000, 100_000].map((x, i) => ({ x, y: 10 ** i, low: 1, high: 200 }));
  const series = [{ name: 'a < b', points }];
  const root = parse(lineChart({ title: 't', x: { log: true }, y: { log: true }, series }));
  const [line] = all(root, classed('line'));
  const places = line.attributes.points.split(' ').map((pair) => pair.split(',').map(Number));
  assert.equal(places.length, 3);
  assert.ok(Math.abs(places[1][0] - (places[0][0] + places[2][0]) / 2) < 0.1, 'not straight');
  assert.ok(Math.abs(places[1][1] - (places[0][1] + places[2][1]) / 2) < 0.1, 'not straight');
  assert.ok(places[0][1] > places[2][1], 'more is higher up');
  const ofX = all(root, classed('x')).map((tick) => number(tick, 'data-value'));
  assert.deepEqual(ofX, [10, 100, 1_000, 10_000, 100_000]);
  assert.equal(all(root, classed('band')).length, 1);
  assert.equal(all(root, classed('marker')).length, 3 + 1, 'one for each point, one in the legend');
});

test('A point without a value is left out', () => {
  const points = [{ x: 1, y: 1 }, { x: 2, y: null }, { x: 3, y: 2 }];
  const root = parse(lineChart({ title: 't', series: [{ name: 'a', points }] }));
  assert.equal(all(root, classed('line'))[0].attributes.points.split(' ').length, 2);
});

test('Numbers are short', () => {
  const shown = [0, 0.05, 0.5, 7, 12.34, 999, 1_000, 12_345, 999_499, 999_999, 2.5e9].map(short);
  assert.deepEqual(shown, ['0', '0.05', '0.5', '7', '12.3', '999', '1k', '12.3k', '999k', '1M',
    '2.5G']);
});

test('The same data gives the same bytes', () => {
  assert.equal(barChart(bars), barChart(structuredClone(bars)));
});
