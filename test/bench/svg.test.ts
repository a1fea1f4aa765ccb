import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plot } from './svg.ts';

const numbers = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map((match) => Number(match[1]));

test('each line has its points, and greater numbers are higher up', () => {
  const svg = plot('Calls', 'connections', 'calls/s', [
    {
      name: 'gateway',
      points: [
        [1, 100],
        [64, 900],
      ],
    },
    {
      name: 'proxy',
      points: [
        [1, 50],
        [64, 450],
      ],
    },
  ]);
  const lines = [...svg.matchAll(/points="([^"]+)"/g)].map(([, points = '']) =>
    points.split(' ').map((point) => point.split(',').map(Number)),
  );
  assert.equal(lines.length, 2);
  const [gateway, proxy] = lines;
  assert.deepEqual(
    gateway?.map(([x]) => x),
    proxy?.map(([x]) => x),
  );
  assert.ok(gateway![1]![1]! < gateway![0]![1]!, 'more calls are higher up');
  assert.ok(gateway![1]![1]! < proxy![1]![1]!);
});

test('names at the ends of lines do not cover each other', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const svg = plot(
    'Calls',
    'x',
    'y',
    names.map((name, place) => ({
      name,
      points: [
        [1, 1],
        [2, place === 0 ? 1000 : 10 + place],
      ],
    })),
  );
  const heights = numbers(svg, /<text x="[\d.]+" y="([\d.]+)" style/g).sort((a, b) => a - b);
  assert.equal(heights.length, names.length);
  for (const [index, height] of heights.entries()) {
    if (index > 0) assert.ok(height - heights[index - 1]! >= 15.9, `${height} is too close`);
    assert.ok(height < 420 && height > 0);
  }
});

test('the highest point is within the drawing, for numbers of any size', () => {
  for (const most of [1, 7.3, 99, 100, 12_345, 71_000]) {
    const svg = plot('Calls', 'x', 'y', [{ name: 'a', points: [[1, most]] }]);
    const [height] = numbers(svg, /<circle cx="[\d.]+" cy="([\d.]+)"/g);
    assert.ok(height! >= 46 && height! < 368, `${most} is at ${height}`);
  }
});

test('what has a meaning in XML is written as text', () => {
  const svg = plot('a < b & "c"', 'x', 'y', [{ name: '<script>', points: [[1, 1]] }]);
  assert.ok(!svg.includes('<script>'));
  assert.match(svg, /a &#60; b &#38; &#34;c&#34;/);
});
