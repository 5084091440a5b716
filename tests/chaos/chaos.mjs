// chaos.mjs [CYCLES]: kills the server again and again under load, and says whether it ever lost
// what it had acknowledged. FAIRLEAD names the binary.
//   FAIRLEAD_SEED=N          the first program's seed; the others count on. A failure prints it
//   FAIRLEAD_CHAOS_CONFIG    more lines of the server's configuration
//   FAIRLEAD_CHAOS_FORGET=1  the disk forgets what was written in four cycles: must be noticed
//   FAIRLEAD_KEEP=1          keeps the data directory

import { cyclesOfProgram, makeProgram } from './program.mjs';
import { World } from './world.mjs';

const cycles = Number(process.argv[2] || cyclesOfProgram);
const firstSeed = Number(process.env.FAIRLEAD_SEED ?? Date.now() % 1_000_000);
const config = process.env.FAIRLEAD_CHAOS_CONFIG ?? '';
const forgetful = process.env.FAIRLEAD_CHAOS_FORGET === '1';
if (!Number.isInteger(cycles) || cycles < 1 || !Number.isInteger(firstSeed)) {
  console.error('usage: [FAIRLEAD_SEED=N] chaos.mjs [CYCLES]');
  process.exit(2);
}

const total = { cycles: 0, taken: 0, arrived: 0, repeated: 0, exactlyOnce: 0 };
const recoveriesMs = [];

const whole = (number) => Math.round(number).toLocaleString('en');

function summary() {
  const sorted = recoveriesMs.toSorted((one, other) => one - other);
  const p50 = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return (
    `${whole(total.cycles)} cycles: ${whole(total.taken)} messages acknowledged, ` +
    `${whole(total.exactlyOnce)} exchanges of QoS 2 by publishers, ` +
    `${whole(total.arrived)} messages received (${whole(total.repeated)} repeated at QoS 1); ` +
    `${sorted.length} recoveries, p50 ${whole(p50)} ms, longest ${whole(sorted.at(-1) ?? 0)} ms`
  );
}

async function play(seed, count) {
  const world = new World(makeProgram(seed));
  const before = { ...total };
  const end = () => world.close().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, end);
  const add = () => {
    for (const [name, value] of Object.entries(world.ledger.count))
      total[name] = before[name] + value;
  };
  const told = () => {
    total.cycles += 1;
    add();
    if (process.stdout.isTTY) process.stdout.write(`\r\x1b[Kseed ${seed}: ${summary()}`);
  };
  const good = await world.play(count, { config, forgetful, told });
  add();
  recoveriesMs.push(...world.recoveriesMs);
  if (process.stdout.isTTY) process.stdout.write('\r\x1b[K');
  if (!good) console.log(world.ledger.violations.join('\n'));
  console.log(`seed ${seed}: ${good ? 'nothing lost' : 'VIOLATED'}; so far ${summary()}`);
  await world.close();
  for (const signal of ['SIGINT', 'SIGTERM']) process.removeListener(signal, end);
  return good;
}

let good = true;
for (let seed = firstSeed; good && total.cycles < cycles; seed++) {
  const count = Math.min(cyclesOfProgram, cycles - total.cycles);
  good = await play(seed, count);
  if (!good) console.log(`play it again: FAIRLEAD_SEED=${seed} make chaos N=${count}`);
}
console.log(`${good ? 'PASSED' : 'FAILED'}: ${summary()}`);
process.exit(good ? 0 : 1);
