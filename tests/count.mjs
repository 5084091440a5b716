// count.mjs DIR: sums the test cases of all CTest runs (DIR/*.xml, JUnit) and prints the closing
// line. A GoogleTest or node:test program counts as its cases, any other program as one.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [directory] = process.argv.slice(2);
let passed = 0;
let failed = 0;

function sum(text, pattern) {
  let total = 0;
  for (const match of text.matchAll(pattern)) total += Number(match[1]);
  return total;
}

for (const file of readdirSync(directory)
  .filter((name) => name.endsWith('.xml'))
  .sort()) {
  const xml = readFileSync(join(directory, file), 'utf8');
  const before = { passed, failed };
  for (const [, head, body] of xml.matchAll(/<testcase ([^>]*)>(.*?)<\/testcase>/gs)) {
    const good = /status="run"/.test(head);
    const name = /name="([^"]*)"/.exec(head)[1];
    const casesPassed =
      sum(body, /^\[ {2}PASSED {2}\] (\d+) tests?\./gm) + sum(body, /^(?:# |ℹ )pass (\d+)$/gm);
    const casesFailed =
      sum(body, /^\[ {2}FAILED {2}\] (\d+) tests?, listed below/gm) +
      sum(body, /^(?:# |ℹ )fail (\d+)$/gm);
    passed += casesPassed || (good && casesFailed === 0 ? 1 : 0);
    failed += casesFailed || (good ? 0 : 1);
    if (!good) console.log(`FAILED ${file.replace('.xml', '')}: ${name}`);
  }
  const [good, bad] = [passed - before.passed, failed - before.failed];
  console.log(`${file.replace('.xml', '')}: ${good} cases passed and ${bad} failed`);
}
const broken = join(directory, 'broken');
if (existsSync(broken)) failed += readFileSync(broken, 'utf8').trim().split('\n').length;
if (passed + failed === 0) failed = 1;
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
