// STYLE, as far as a program can check it. Every failure names file and line.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';

import {
  bare,
  filesMatching,
  folderOf,
  functionsOf,
  includesOf,
  lines,
  root,
  text,
} from './sources.mjs';

const cpp = filesMatching(/\.(h|cc|c)$/);
const headers = cpp.filter((path) => path.endsWith('.h'));
const isTest = (path) => /_test\.cc$|\/test_\w+\.\w+$|_(test_\w+|dialogue)\.(h|cc)$/.test(path);

function none(problems) {
  assert.equal(problems.length, 0, `\n${problems.join('\n')}`);
}

// ---- Layers -----------------------------------------------------------------------------------

// STYLE section 1: which folders a folder may include from, besides itself.
const proto = ['proto/detect', 'proto/proxy', 'proto/ws', 'proto/http', 'proto/mqtt'];
const mayInclude = {
  base: [],
  ...Object.fromEntries(proto.map((folder) => [folder, ['base']])),
  auth: ['base'],
  net: ['base'],
  sqlite: ['base'],
  // Of auth only the values that MQTT rules depend on: profile and policy.
  session: ['auth', 'proto/mqtt', 'base'],
  router: ['proto/mqtt', 'base'],
  store: ['proto/mqtt', 'session', 'sqlite', 'base'],
  registry: ['auth', 'sqlite', 'base'],
  shard: [...proto, 'auth', 'net', 'session', 'router', 'store', 'registry', 'base'],
  services: ['router', 'registry', 'proto/mqtt', 'base'],
  cluster: ['router', 'session', 'store', 'base'],
  // Addresses of net: what the admin plane listens on, and what it tells the page.
  api: ['shard', 'services', 'registry', 'net', 'proto/http', 'base', 'console'],
  sdk: [...proto, 'auth', 'net', 'base'],
  // A client that is leaner than the SDK's, made of the same parts.
  load: [...proto, 'net', 'sdk', 'base'],
  app: null, // everything
};

test('Files include only from folders of a lower rank', () => {
  const problems = [];
  for (const path of cpp) {
    const folder = folderOf(path);
    if (folder === null) continue;
    assert.ok(
      folder in mayInclude,
      `${path}: the folder has no rank; give it one in STYLE and here`,
    );
    if (mayInclude[folder] === null) continue;
    for (const { line, quoted, header } of includesOf(path)) {
      if (!quoted) continue;
      const target = header.startsWith('fairlead/') || !header.includes('/')
        ? 'sdk'
        : (folderOf(`src/${header}`) ?? header.split('/')[0]);
      const own =
        target === folder ||
        (folder === 'sdk' && !(target in mayInclude) && !header.startsWith('console/'));
      if (!own && !mayInclude[folder].includes(target)) {
        problems.push(`${path}:${line}: ${folder} may not include "${header}"`);
      }
    }
  }
  none(problems);
});

const pureFolders = [...proto, 'auth', 'session', 'router'];
const impureHeaders = new RegExp(
  [
    '^(thread|mutex|shared_mutex|condition_variable|atomic|future|stop_token|random|fstream',
    'filesystem|iostream|ctime|cstdio|(time|stdio|unistd|fcntl|poll|pthread|netdb)\\.h',
    '(sys|netinet|net|linux)/.*)$|^base/(log|random|guarded|mpsc_queue)\\.h$',
  ].join('|'),
);
const impureNames = new RegExp(
  '\\b(system|steady|high_resolution)_clock\\b|\\bstd::(mutex|thread|atomic)\\b|' +
    '\\b(fopen|getenv|rand)\\s*\\(',
);

test('Pure folders know no socket, file, clock, thread, lock, random source or log', () => {
  const problems = [];
  for (const path of cpp) {
    if (!pureFolders.includes(folderOf(path)) || isTest(path)) continue;
    for (const { line, header } of includesOf(path)) {
      if (impureHeaders.test(header)) problems.push(`${path}:${line}: ${header}`);
    }
    bare(text(path))
      .split('\n')
      .forEach((content, i) => {
        const name = impureNames.exec(content);
        if (name) problems.push(`${path}:${i + 1}: ${name[0]}`);
      });
  }
  none(problems);
});

// Third-party headers, and the folders that each belongs to.
const thirdParty = {
  'openssl/': ['base', 'auth', 'net', 'proto/ws'],
  'spdlog/': ['base'],
  'fmt/': ['base'],
  'toml++/': ['app'],
  'CLI/': ['app'],
  'httplib.h': ['proto/http', 'api'],
  'nlohmann/': ['services', 'api', 'registry', 'app'],
  'sqlite3.h': ['sqlite'],
  'zlib.h': ['proto/ws', 'store'],
};

// A comparison that ends at the first difference tells how much of a guess was right.
test('Credentials are compared in constant time', () => {
  const judges = {
    'src/auth/credentials.cc': 'verify_sign',
    'src/auth/password.cc': 'verify_password',
    'src/registry/authenticator.cc': 'right_password',
  };
  const early = /\b(mem|str|strn)cmp\b|(password|secret|sign|mac|hash|expected)\w*(\(\))?\s*[!=]=/;
  const problems = [];
  for (const [path, name] of Object.entries(judges)) {
    const all = lines(path);
    const judge = functionsOf(path).find(({ head }) => head.includes(`bool ${name}(`));
    const body = judge && all.slice(judge.line - 1, judge.line - 1 + judge.length).join('\n');
    if (!body?.includes('constant_time_equal_hex(')) problems.push(`${path}: ${name} does not`);
    all.forEach((line, i) => {
      if (early.test(bare(line))) problems.push(`${path}:${i + 1}: ${line.trim()}`);
    });
  }
  none(problems);
});

test('Third-party headers are included in .cc files only, in the folders they belong to', () => {
  const problems = [];
  for (const path of cpp) {
    const folder = folderOf(path);
    if (folder === null || isTest(path)) continue;
    for (const { line, header } of includesOf(path)) {
      const name = Object.keys(thirdParty).find((prefix) => header.startsWith(prefix));
      if (/^g(test|mock)\//.test(header))
        problems.push(`${path}:${line}: ${header} outside of a test`);
      if (!name) continue;
      if (path.endsWith('.h')) problems.push(`${path}:${line}: ${header} in a header`);
      if (!thirdParty[name].includes(folder))
        problems.push(`${path}:${line}: ${header} does not belong to ${folder}`);
    }
  }
  none(problems);
});

// ---- Size and form ----------------------------------------------------------------------------

// Data tables and generated files, by name.
const longFiles = new Set([]);
const fileLinesMax = 600;
const functionLinesMax = 70;
const columnsMax = 100;

test(`A file has at most ${fileLinesMax} lines`, () => {
  none(
    cpp
      .filter((path) => !longFiles.has(path) && lines(path).length > fileLinesMax)
      .map((path) => `${path}: ${lines(path).length} lines`),
  );
});

test(`A function has at most ${functionLinesMax} lines`, () => {
  none(
    cpp.flatMap((path) =>
      functionsOf(path)
        .filter(({ length }) => length > functionLinesMax)
        .map(
          ({ line, length, head }) =>
            `${path}:${line}: ${length} lines: ${head.split('\n').at(-1).trim()}`,
        ),
    ),
  );
});

test(`A line has at most ${columnsMax} columns`, () => {
  const files = filesMatching(/\.(h|cc|c|cmake|sh|mjs|js|py)$|CMakeLists\.txt$|(^|\/)Makefile$/);
  none(
    files.flatMap((path) =>
      lines(path).flatMap((content, i) =>
        [...content].length > columnsMax
          ? [`${path}:${i + 1}: ${[...content].length} columns`]
          : [],
      ),
    ),
  );
});

test('No tab, no blank at the end of a line, a line break at the end of the file', () => {
  const files = filesMatching(
    /\.(h|cc|c|cmake|sh|mjs|js|css|html|py|md|json|toml)$|CMakeLists\.txt$/,
  );
  none(
    files.flatMap((path) => {
      const problems = lines(path).flatMap((content, i) =>
        /[\t\r]|[ ]$/.test(content) && !path.endsWith('.md')
          ? [`${path}:${i + 1}: tab or blank`]
          : [],
      );
      if (!text(path).endsWith('\n') && text(path) !== '')
        problems.push(`${path}: no line break at its end`);
      return problems;
    }),
  );
});

test('Nothing is left to be done: an open point is an issue', () => {
  const marker = new RegExp(`\\b(${['TO', 'DO'].join('')}|${['FIX', 'ME'].join('')}|X{3})\\b`);
  const files = filesMatching(/\.(h|cc|c|cmake|sh|mjs|js|css|html|py)$|CMakeLists\.txt$|Makefile$/);
  none(
    files.flatMap((path) =>
      lines(path).flatMap((content, i) =>
        marker.test(content) ? [`${path}:${i + 1}: ${content.trim()}`] : [],
      ),
    ),
  );
});

test('Every header says #pragma once', () => {
  none(headers.filter((path) => !/^#pragma once$/m.test(text(path))));
});

test('clang-format has nothing to change', async () => {
  const { code, stderr } = await run('clang-format-14', ['--dry-run', '-Werror', ...cpp]);
  const where = [...stderr.matchAll(/^(\S+:\d+):\d+: error/gm)].map(([, place]) => place);
  assert.equal(code, 0, `run 'make fmt':\n${where.join('\n') || stderr}`);
});

// ---- Headers that compile alone ---------------------------------------------------------------

function run(program, args) {
  return new Promise((done) => {
    execFile(program, args, { cwd: root, maxBuffer: 64 << 20 }, (error, stdout, stderr) =>
      done({ code: error ? error.code : 0, stdout, stderr: stderr || String(error ?? '') }),
    );
  });
}

test('Every header compiles alone', { timeout: 200_000 }, async () => {
  const waiting = headers.filter((path) => folderOf(path) !== null || path.startsWith('console/'));
  const problems = [];
  const worker = async () => {
    for (let path = waiting.shift(); path; path = waiting.shift()) {
      const { code, stderr } = await run('g++', [
        '-std=c++20',
        '-fsyntax-only',
        '-w',
        '-x',
        'c++',
        '-Isrc',
        '-Isdk/include',
        '-Isdk/src',
        '-I.',
        '-DFAIRLEAD_VERSION=""',
        path,
      ]);
      if (code !== 0) problems.push(`${path}:\n${stderr.split('\n').slice(0, 6).join('\n')}`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  none(problems);
});
