/** The marks of an axis of bytes: round numbers of binary units, from zero to the first that is not below `most`. */
export function ticks(most: number, wanted = 3): number[] {
  if (most <= 0) return [0];
  const unit = 1024 ** Math.max(0, Math.floor(Math.log(most) / Math.log(1024)));
  const rough = most / unit / wanted;
  // Of the unit below, half of this one and its quarter are round; decimal steps are not.
  const steps = [1 / 8, 1 / 4, 1 / 2, 1, 2, 5, 10, 20, 50, 100, 200, 256, 512, 1024];
  const step = (steps.find((size) => size >= rough) ?? 1024) * unit;
  const marks = [0];
  while ((marks.at(-1) ?? 0) < most) marks.push(step * marks.length);
  return marks;
}
