// Values that views and effects follow: a view or effect that has read one is drawn or run again when it changes, and no other. As
// much of the idea as this page needs: `@preact/signals` is 3 KB larger, of the 30 that may come before one can read.

import { Component, options, type VNode } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';

/** Follows what it has read last. */
interface Reader {
  /** Where it is written down as a reader. */
  sources: Set<Set<Reader>>;
  told: () => void;
}

export interface ReadonlySignal<T> {
  /** A view that is drawn, or an effect that runs, follows what it reads. */
  readonly value: T;
  /** Its value for somebody who does not follow it. */
  peek(): T;
}

export interface Signal<T> extends ReadonlySignal<T> {
  value: T;
}

let current: Reader | undefined;
/** How many batches are open. */
let depth = 0;
/** What is run when none is open: first what is computed, then what reads it. */
const computations = new Set<() => void>();
const effects = new Set<() => void>();

function readerOf(told: () => void): Reader {
  return { sources: new Set(), told };
}

function leave(reader: Reader): void {
  for (const readers of reader.sources) readers.delete(reader);
  reader.sources.clear();
}

export function signal<T>(value: T): Signal<T> {
  const readers = new Set<Reader>();
  return {
    get value() {
      if (current) {
        readers.add(current);
        current.sources.add(readers);
      }
      return value;
    },
    set value(next) {
      if (next === value) return;
      value = next;
      batch(() => {
        for (const reader of [...readers]) reader.told();
      });
    },
    peek: () => value,
  };
}

/** A follower of several values that change within hears of them once. */
export function batch(act: () => void): void {
  depth++;
  try {
    act();
  } finally {
    if (--depth === 0) flush();
  }
}

function flush(): void {
  for (;;) {
    const [queue] = [computations, effects].filter(({ size }) => size > 0);
    if (!queue) return;
    for (const run of queue) {
      queue.delete(run);
      run();
      break;
    }
  }
}

/** Runs now, and again after each change of what it has read. Answers how to end it. */
export function effect(act: () => void, queue = effects): () => void {
  const reader = readerOf(() => queue.add(run));
  const run = () => {
    leave(reader);
    const outer = current;
    current = reader;
    depth++;
    try {
      act();
    } finally {
      depth--;
      current = outer;
    }
    if (depth === 0) flush();
  };
  run();
  return () => {
    leave(reader);
    queue.delete(run);
  };
}

/** What follows from other values. */
export function computed<T>(of: () => T): ReadonlySignal<T> {
  const result = signal(undefined as T);
  effect(() => {
    result.value = of();
  }, computations);
  return result;
}

/** A value of a component of its own. */
export function useSignal<T>(first: T): Signal<T> {
  return useMemo(() => signal(first), []);
}

/** As long as the component is there. */
export function useSignalEffect(act: () => void): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => effect(() => latest.current()), []);
}

/** A component that is drawn, as far as its values are concerned. */
interface Drawn {
  reader?: Reader;
  /** Something that it reads has changed since it was drawn. */
  isStale?: boolean;
}

const drawn = new WeakMap<Component, Drawn>();
const component = (node: VNode) => (node as VNode & { __c?: Component }).__c;

/** Calls `act` before what else is to be done at this step of drawing. */
// biome-ignore lint/suspicious/noExplicitAny: each step has arguments of its own
function at(step: string, act: (node: any) => void): void {
  // biome-ignore lint/suspicious/noExplicitAny: the names of the steps are those that all plugins of Preact use
  const steps = options as any;
  const before = steps[step];
  // biome-ignore lint/suspicious/noExplicitAny: as above
  steps[step] = (...what: any[]) => {
    act(what[0]);
    before?.(...what);
  };
}

const pause = () => {
  current = undefined;
};
// Before a component renders, after it and its children were, and where one of them has thrown.
at('__r', (node: VNode) => {
  const one = component(node);
  if (!one) return;
  const state: Drawn = drawn.get(one) ?? {};
  drawn.set(one, state);
  state.reader ??= readerOf(() => {
    state.isStale = true;
    one.setState({});
  });
  state.isStale = false;
  leave(state.reader);
  current = state.reader;
});
at('diffed', pause);
at('__e', pause);
at('unmount', (node: VNode) => {
  const one = component(node);
  const reader = one && drawn.get(one)?.reader;
  if (reader) leave(reader);
});

/** With the same properties it looks the same, unless it reads something that has changed, or nothing at all. */
Component.prototype.shouldComponentUpdate = function (this: Component, next: object): boolean {
  const state = drawn.get(this);
  if (!state?.reader?.sources.size || state.isStale) return true;
  const [now, then] = [this.props, next] as Record<string, unknown>[];
  const keys = Object.keys({ ...now, ...then });
  return keys.some((key) => now?.[key] !== then?.[key]);
};
