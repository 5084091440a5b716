// llvm-cov's export on standard input, as a table of the folders and files that fuzzing is about.

import { readFileSync } from 'node:fs';

const groups = [
  ['src/proto/detect', /src\/proto\/detect\//],
  ['src/proto/proxy', /src\/proto\/proxy\//],
  ['src/proto/http', /src\/proto\/http\//],
  ['src/proto/ws', /src\/proto\/ws\//],
  ['src/proto/mqtt', /src\/proto\/mqtt\//],
  ['src/auth', /src\/auth\//],
  ['src/session', /src\/session\//],
  ['src/shard', /src\/shard\//],
  ['src/net/hello_guard', /src\/net\/hello_guard\./],
  ['src/app/config_parse', /src\/app\/config_(parse|key)\./],
  ['src/registry/csv, device_json', /src\/registry\/(csv|device_json)\./],
];
const tests = /(_test|_dialogue|\/test_\w+|\/frame_log)\.(h|cc)$/;
const { files } = JSON.parse(readFileSync(0, 'utf8')).data[0];

const row = (name, ...cells) =>
  console.log(name.padEnd(32) + cells.map((cell) => cell.padStart(16)).join(''));
row('folder', 'lines', 'branches', 'functions');
for (const [name, pattern] of groups) {
  const sums = ['lines', 'branches', 'functions'].map((kind) => {
    let [covered, count] = [0, 0];
    for (const { filename, summary } of files) {
      if (!pattern.test(filename) || tests.test(filename)) continue;
      covered += summary[kind].covered;
      count += summary[kind].count;
    }
    return count === 0 ? '-' : `${((100 * covered) / count).toFixed(1)} % of ${count}`;
  });
  row(name, ...sums);
}
