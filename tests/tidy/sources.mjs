// The sources that the house rules are about, and how to read them.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

// Tracked files and new ones, but not what .gitignore names; paths from the root.
export function filesMatching(pattern) {
  const list = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 },
  );
  return list
    .split('\0')
    .filter((path) => pattern.test(path) && existsSync(join(root, path)))
    .sort();
}

export const text = (path) => readFileSync(join(root, path), 'utf8');
export const lines = (path) => text(path).replace(/\n$/, '').split('\n');

// src/proto/mqtt/reader.h → proto/mqtt; sdk/… → sdk; null for what is in no ranked folder.
export function folderOf(path) {
  if (path.startsWith('sdk/')) return 'sdk';
  const match = /^src\/(proto\/[a-z_]+|[a-z_]+)\//.exec(path);
  return match ? match[1] : null;
}

// [{ line, quoted, header }] of a file's #include lines.
export function includesOf(path) {
  const found = [];
  lines(path).forEach((content, i) => {
    const match = /^\s*#\s*include\s*([<"])([^>"]+)[>"]/.exec(content);
    if (match) found.push({ line: i + 1, quoted: match[1] === '"', header: match[2] });
  });
  return found;
}

// The same text with comments, strings and characters blanked out; line breaks stay.
export function bare(source) {
  const blank = (match) => match.replace(/[^\n]/g, ' ');
  const comment = /\/\/[^\n]*|\/\*.*?\*\//;
  const string = /R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"/;
  const character = /(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'/; // not the ' of 1'000
  const any = [comment, string, character].map((each) => each.source).join('|');
  return source.replace(new RegExp(any, 'gs'), blank);
}

// Bodies of functions: [{ line, length, head }]. A block whose head ends a parameter list and that
// stands in a namespace, class or file is a function; blocks inside it are part of it.
export function functionsOf(path) {
  const source = bare(text(path)).replace(/^\s*#.*(?:\\\n.*)*$/gm, (match) =>
    match.replace(/[^\n]/g, ' '),
  );
  const found = [];
  const stack = [];
  let line = 1;
  let head = '';
  for (const character of source) {
    if (character === '\n') line += 1;
    if (character === '{') {
      const inScope = stack.every(({ kind }) => kind === 'scope');
      const isScope = /\b(namespace|class|struct|union|enum|extern)\b[^()]*$/.test(
        head.replace(/<[^<>]*>/g, ''),
      );
      const kind =
        isScope && inScope ? 'scope' : inScope && head.includes(')') ? 'function' : 'block';
      stack.push({ kind, line, head: head.trim() });
      head = '';
    } else if (character === '}') {
      const block = stack.pop();
      if (block?.kind === 'function')
        found.push({ line: block.line, length: line - block.line + 1, head: block.head });
      head = '';
    } else if (character === ';') {
      head = '';
    } else {
      head += character;
    }
  }
  return found;
}
