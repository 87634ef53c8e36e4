import { expect, test } from 'vitest';
import { batch, computed, effect, signal } from './signals';

test('an effect runs again after each change of what it has read last, and of nothing else', () => {
  const [which, one, two] = [signal('one'), signal(1), signal(2)];
  const seen: number[] = [];
  const end = effect(() => {
    seen.push(which.value === 'one' ? one.value : two.value);
  });
  two.value = 20;
  one.value = 10;
  which.value = 'two';
  one.value = 100;
  two.value = 200;
  two.value = 200;
  end();
  two.value = 2_000;
  expect(seen).toEqual([1, 10, 20, 200]);
});

test('of several changes within a batch an effect hears once, also where one has thrown', () => {
  const [one, two] = [signal(1), signal(2)];
  const seen: number[] = [];
  effect(() => {
    seen.push(one.value + two.value);
  });
  batch(() => {
    one.value = 10;
    batch(() => {
      two.value = 20;
    });
    expect(seen).toEqual([3]);
  });
  expect(() =>
    batch(() => {
      one.value = 100;
      throw new Error('oops');
    }),
  ).toThrow('oops');
  two.value = 200;
  expect(seen).toEqual([3, 30, 120, 300]);
});

test('what follows from others is told only when it is another value, before what reads both', () => {
  const number = signal(1);
  const isOdd = computed(() => number.value % 2 === 1);
  const odd: boolean[] = [];
  const both: string[] = [];
  effect(() => {
    both.push(`${number.value} ${isOdd.value}`);
  });
  effect(() => {
    odd.push(isOdd.value);
  });
  number.value = 3;
  number.value = 4;
  expect(odd).toEqual([true, false]);
  expect(both).toEqual(['1 true', '3 true', '4 false']);
});

test('who looks without following hears nothing', () => {
  const one = signal(1);
  const seen: number[] = [];
  effect(() => {
    seen.push(one.peek());
  });
  one.value = 2;
  expect(seen).toEqual([1]);
});

test('an effect that changes what another reads, or its own, comes to an end', () => {
  const [steps, done] = [signal(0), signal(false)];
  const seen: boolean[] = [];
  effect(() => {
    seen.push(done.value);
  });
  effect(() => {
    if (steps.value < 3) steps.value++;
    else done.value = true;
  });
  expect(steps.peek()).toBe(3);
  expect(seen).toEqual([false, true]);
});
