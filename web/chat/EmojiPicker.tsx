// Chooses an emoji: by looking, by words, or by typing one.

import { type Emoji, found, groups, keep, recent } from './emoji';
import { isComposing } from './keys';
import { useSignal } from './signals';

interface EmojiPickerProps {
  /** Those that are chosen already. */
  chosen: readonly string[];
  onChoose: (key: string) => void;
}

export function EmojiPicker({ chosen, onChoose }: EmojiPickerProps) {
  const text = useSignal('');
  const choose = (key: string) => {
    keep(localStorage, key);
    onChoose(key);
  };
  const lists = text.value
    ? [{ name: 'Found', emoji: found(text.value) }]
    : [{ name: 'Last used', emoji: recent(localStorage) }, ...groups];
  return (
    <section class="emoji-picker" aria-label="Emoji" onKeyDown={moved}>
      <input
        type="search"
        aria-label="Find an emoji"
        placeholder="Find or type one"
        data-testid="emoji-search"
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || isComposing(event)) return;
          event.preventDefault();
          const [first] = lists[0]?.emoji ?? [];
          if (first) choose(first.key);
        }}
      />
      <div class="emoji-lists">
        {lists.map(({ name, emoji }) => (
          <section key={name} aria-label={name}>
            <h4>{name}</h4>
            <Emojis all={emoji} chosen={chosen} onChoose={choose} />
          </section>
        ))}
        {lists[0]?.emoji.length === 0 && <p role="status">None has this name.</p>}
      </div>
    </section>
  );
}

function Emojis({ all, chosen, onChoose }: EmojiPickerProps & { all: readonly Emoji[] }) {
  return (
    <div class="emojis">
      {all.map(({ key, name }, at) => (
        <button
          key={key}
          type="button"
          class="plain"
          // Each list is one stop of Tab.
          tabIndex={at === 0 ? 0 : -1}
          aria-label={`${key} ${name}`}
          aria-pressed={chosen.includes(key)}
          title={name}
          onClick={() => onChoose(key)}
        >
          {key}
        </button>
      ))}
    </div>
  );
}

/** Arrow keys lead from one to another, over the lists. */
function moved(event: KeyboardEvent): void {
  if (isComposing(event)) return;
  const picker = event.currentTarget as HTMLElement;
  const all = [...picker.querySelectorAll<HTMLElement>('.emojis button')];
  const at = all.indexOf(document.activeElement as HTMLElement);
  const isInField = at < 0;
  const row = rowOf(all);
  const next = {
    ArrowDown: isInField ? 0 : at + row,
    ArrowUp: at - row,
    ArrowRight: at + 1,
    ArrowLeft: at - 1,
    Home: 0,
    End: all.length - 1,
  }[event.key];
  if (next === undefined || (isInField && event.key !== 'ArrowDown')) return;
  event.preventDefault();
  if (next < 0) picker.querySelector('input')?.focus();
  else all[Math.min(next, all.length - 1)]?.focus();
}

/** How many stand in a row. */
function rowOf(all: readonly HTMLElement[]): number {
  const [first] = all;
  const top = first?.offsetTop;
  return Math.max(
    1,
    all.findIndex((one) => one.offsetTop !== top),
  );
}
