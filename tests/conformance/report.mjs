// report.mjs [--check] PROGRAM...: writes docs/CONFORMANCE.md from statements/ and from the tests
// that the built programs contain; --check writes nothing, and fails when something is missing,
// unknown, or out of date. The format of statements/ is told in statements/README.md.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { introduction } from './report_text.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const target = join(root, 'docs/CONFORMANCE.md');

const specifications = [
  { file: 'mqtt-3.1.1', title: 'MQTT 3.1.1', versions: ['v311', 'v31'] },
  { file: 'mqtt-5.0', title: 'MQTT 5.0', versions: ['v5'] },
  { file: 'rfc6455', title: 'RFC 6455', transports: ['ws', 'wss'] },
];
const transports = ['tcp', 'tls', 'ws', 'wss'];
const versions = { v31: '3.1', v311: '3.1.1', v5: '5.0' };
const parties = ['server', 'client', 'both'];

const problems = [];

// ---- What is written down -------------------------------------------------------------------

const linesOf = (path) => readFileSync(path, 'utf8').replace(/\n$/, '').split('\n');

// The complete list: "MQTT-3.1.2 1-24" on a line stands for MQTT-3.1.2-1 to MQTT-3.1.2-24.
function readIds(path) {
  const ids = [];
  linesOf(path).forEach((line, i) => {
    if (/^(#|\s*$)/.test(line)) return;
    const match = /^(\S+) (\d+)(?:-(\d+))?$/.exec(line);
    if (!match) return problems.push(`${relative(root, path)}:${i + 1}: not "SECTION FIRST-LAST"`);
    const [, section, first, last = first] = match;
    for (let n = Number(first); n <= Number(last); ++n) ids.push(`${section}-${n}`);
  });
  return ids;
}

// Rows by id, in the file's order.
function readRows(path) {
  const rows = new Map();
  let row = null;
  linesOf(path).forEach((line, i) => {
    const at = `${relative(root, path)}:${i + 1}`;
    if (/^(#|\s*$)/.test(line)) return;
    const head = /^(\S+) (\S+)$/.exec(line);
    if (head) {
      const [, id, binds] = head;
      row = { id, binds, at, statement: [], tests: [], why: [] };
      if (!parties.includes(binds)) problems.push(`${at}: ${id} binds "${binds}"`);
      if (rows.has(id)) problems.push(`${at}: ${id} has a row already`);
      rows.set(id, row);
      return;
    }
    const content = /^ {2}(\S.*)$/.exec(line)?.[1];
    if (!content || !row) return problems.push(`${at}: neither "ID PARTY" nor a line of a row`);
    const word = /^(test|why) (.*)$/.exec(content);
    if (!word) row.statement.push(content);
    else if (word[1] === 'test') row.tests.push(word[2].trim());
    else row.why.push(word[2].trim());
  });
  return rows;
}

// ---- What is built --------------------------------------------------------------------------

// Tests by the name without parameters: { isUnit, params: ["tcp_v311", …] }.
function readTests(programs) {
  const tests = new Map();
  for (const program of programs) {
    if (!existsSync(program)) {
      problems.push(`${program} is not built`);
      continue;
    }
    let suite = '';
    const list = execFileSync(program, ['--gtest_list_tests'], { encoding: 'utf8' });
    for (const line of list.split('\n')) {
      const head = /^(\S+)\.(\s|$)/.exec(line);
      if (head) suite = head[1].split('/').at(-1);
      const test = /^ {2}(\S+)/.exec(line)?.[1];
      if (!test || test.startsWith('DISABLED_')) continue;
      const [name, param] = test.split('/');
      const key = `${suite}.${name}`;
      if (!tests.has(key)) tests.set(key, { isUnit: !/\/tests\//.test(program), params: [] });
      if (param) tests.get(key).params.push(param);
    }
  }
  return tests;
}

// "tcp_v311" → { transport: 'tcp', version: 'v311' }; the version may be missing, and is '' then.
function wireOf(param) {
  const match = /^(tcp|tls|ws|wss)(?:_(v31|v311|v5))?$/.exec(param);
  return match && { transport: match[1], version: match[2] ?? '' };
}

// Over what one of these tests runs that counts for the specification: parameters, read.
function wiresOf(specification, names, tests) {
  const { versions: own, transports: over } = specification;
  return names
    .flatMap((name) => tests.get(name)?.params ?? [])
    .map(wireOf)
    .filter((wire) => wire && (!over || over.includes(wire.transport)))
    .filter((wire) => !own || wire.version === '' || own.includes(wire.version));
}

const isBare = (name, tests) => !tests.get(name)?.params.some(wireOf);

// "tcp, tls, ws, wss × 3.1, 3.1.1": over what a row's tests run, all together.
function coverage(specification, names, tests) {
  const seen = new Map(); // version → transports
  for (const { transport, version } of wiresOf(specification, names, tests)) {
    if (!seen.has(version)) seen.set(version, new Set());
    seen.get(version).add(transport);
  }
  const groups = new Map(); // transports → versions
  for (const version of ['', ...Object.keys(versions)].filter((each) => seen.has(each))) {
    const over = transports.filter((each) => seen.get(version).has(each)).join(', ');
    groups.set(over, [...(groups.get(over) ?? []), version]);
  }
  const wire = [...groups].map(([over, each]) => {
    const named = each.filter((version) => version !== '').map((version) => versions[version]);
    return named.length === 0 ? over : `${over} × ${named.join(', ')}`;
  });
  const bare = names.filter((name) => isBare(name, tests));
  const others = bare.map((name) => (tests.get(name)?.isUnit ? 'unit' : 'one server'));
  return [...wire, ...[...new Set(others)].sort()].join('; ');
}

// ---- What is wrong --------------------------------------------------------------------------

function judge(specification, ids, rows, tests) {
  const { title } = specification;
  for (const id of ids) {
    if (!rows.has(id)) problems.push(`${title}: ${id} has no row`);
  }
  for (const row of rows.values()) {
    const say = (what) => problems.push(`${row.at}: ${row.id} ${what}`);
    if (!ids.includes(row.id)) say('is not in the list of ids');
    if (row.statement.length === 0) say('does not say what it demands');
    if (row.tests.length === 0 && row.why.length === 0) say('has neither a test nor a reason');
    for (const name of row.tests) {
      if (!tests.has(name)) say(`names ${name}, which is not built`);
    }
    const proven =
      row.tests.some((name) => isBare(name, tests)) ||
      wiresOf(specification, row.tests, tests).length > 0;
    if (row.tests.length > 0 && !proven) say(`is not proven by any test that runs in ${title}`);
  }
}

// A test whose name begins with a statement's id stands in the row of that statement.
function judgeNames(allRows, tests) {
  for (const name of tests.keys()) {
    const match = /\.MQTT_(\d+)_(\d+)_(\d+)_(\d+)_/.exec(name);
    if (!match) continue;
    const [, chapter, section, part, number] = match;
    const id = `MQTT-${chapter}.${section}.${part}-${number}`;
    if (!allRows.some((rows) => rows.get(id)?.tests.includes(name))) {
      problems.push(`${name} is named after ${id}, which has no row that names it`);
    }
  }
}

// ---- What is told ---------------------------------------------------------------------------

const cell = (words) => words.join(' ').replaceAll('|', '\\|');

function section(specification, ids, rows, tests) {
  const known = ids.filter((id) => rows.has(id)).map((id) => rows.get(id));
  const proven = known.filter((row) => row.tests.length > 0);
  const lines = [
    `## ${specification.title}`,
    '',
    `${ids.length} statements: ${proven.length} proven by tests, ` +
      `${known.length - proven.length} with the reason why there is none.`,
    '',
    '| Statement | What it demands | Binds | Proven by | Over |',
    '|---|---|---|---|---|',
  ];
  for (const row of known) {
    const names = row.tests.map((name) => `\`${name}\``).join('<br>');
    const proof = [names, cell(row.why)].filter((each) => each !== '').join('<br>');
    const over = row.tests.length > 0 ? coverage(specification, row.tests, tests) : '–';
    lines.push(`| ${row.id} | ${cell(row.statement)} | ${row.binds} | ${proof} | ${over} |`);
  }
  return [...lines, ''].join('\n');
}

// ---- The program ----------------------------------------------------------------------------

const programs = process.argv.slice(2).filter((argument) => argument !== '--check');
const tests = readTests(programs);
const parts = [introduction];
const allRows = [];
for (const specification of specifications) {
  const path = join(here, 'statements', specification.file);
  const ids = readIds(`${path}.ids`);
  const rows = readRows(`${path}.txt`);
  judge(specification, ids, rows, tests);
  allRows.push(rows);
  parts.push(section(specification, ids, rows, tests));
}
judgeNames(allRows, tests);
const report = parts.join('\n').trimEnd() + '\n';

if (process.argv.includes('--check')) {
  const stored = existsSync(target) ? readFileSync(target, 'utf8') : '';
  if (stored !== report) {
    problems.push('docs/CONFORMANCE.md is out of date: build the target conformance_report');
  }
} else {
  writeFileSync(target, report);
}
for (const problem of problems) console.log(problem);
process.exit(problems.length === 0 ? 0 : 1);
