// A user's picture, or the initials of the name on a colour of the user's own.

import { useSignal } from './signals';

/** Backgrounds of initials; style.css has so many, dark enough for white letters. */
const COLOURS = 8;

/** Says nothing to a screen reader: the name stands beside it. */
export function Picture({ id, name, avatar = '' }: { id: string; name: string; avatar?: string }) {
  const broken = useSignal('');
  if (/^(https:\/\/|data:image\/)/.test(avatar) && broken.value !== avatar) {
    return (
      <img
        class="picture"
        src={avatar}
        alt=""
        loading="lazy"
        onError={() => {
          broken.value = avatar;
        }}
      />
    );
  }
  return (
    <span class={`picture colour-${colourOf(id)}`} aria-hidden="true">
      {initials(name || id)}
    </span>
  );
}

/** The first letter of the first and of the last word; whole characters, in any script. */
export function initials(name: string): string {
  const words = name.split(/[\s._@+-]+/).filter(Boolean);
  const first = (word = '') => [...new Intl.Segmenter().segment(word)][0]?.segment ?? '';
  const letters = words.length > 1 ? first(words[0]) + first(words.at(-1)) : first(words[0]);
  return letters.toLocaleUpperCase();
}

function colourOf(id: string): number {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return sum % COLOURS;
}
