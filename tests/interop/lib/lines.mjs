import { createInterface } from 'node:readline';

// Calls `each` for every line of a stream; resolves at its end.
export function lines(stream, each) {
  return new Promise((resolve) => {
    createInterface({ input: stream, crlfDelay: Infinity }).on('line', each).on('close', resolve);
  });
}
