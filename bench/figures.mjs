// Numbers of several runs, as the tables show them.
import { short } from './plot.mjs';

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export const grouped = (value) => Math.round(value).toLocaleString('en-US');

export const sum = (runs, key) => runs.reduce((total, run) => total + (run[key] ?? 0), 0);

// 1.02M (0.98M–1.1M); with one run there is no spread.
export function spread(values, show = short) {
  const middle = show(median(values));
  if (values.length < 2) return middle;
  return `${middle} (${show(Math.min(...values))}–${show(Math.max(...values))})`;
}

export const table = (head, rows) => [
  `| ${head.join(' | ')} |`,
  `|---|${head.slice(1).map(() => '--:|').join('')}`,
  ...rows.map((cells) => `| ${cells.join(' | ')} |`)];
