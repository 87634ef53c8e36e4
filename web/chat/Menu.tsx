// What can be done with a message: a menu that opens by its button, a long press, a right click or the keyboard.

import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Entry } from '../sdk/frames';
import { type Choice, choicesOf, factsOf } from './choices';
import { isPlain, rove } from './keys';
import type { Session } from './session';

interface MenuProps {
  session: Session;
  entry: Entry;
  /** Who has read it, of a message of one's own. */
  detail: string | undefined;
  /** The menu is to go; the focus goes back to where it came from. */
  onClose: () => void;
}

export function Menu({ session, entry, detail, onClose }: MenuProps) {
  return (
    <Choices
      label="Message"
      facts={factsOf(session, entry, detail)}
      choices={choicesOf(session, entry)}
      within=".messages"
      onClose={onClose}
    />
  );
}

interface ChoicesProps {
  label: string;
  facts?: readonly string[];
  choices: readonly Choice[];
  /** What it is shown in. */
  within: string;
  /** The menu is to go; the focus goes back to where it came from. */
  onClose: () => void;
}

/** A menu of what can be done. */
export function Choices({ label, facts = [], choices, within, onClose }: ChoicesProps) {
  const box = useRef<HTMLDivElement>(null);

  useLayoutEffect(() => {
    const menu = box.current;
    if (!menu) return;
    const before = document.activeElement as HTMLElement | null;
    // It opens below what it is for, and above where there is no room for it and more there; it is scrolled where there is
    // little on both sides.
    const { height } = menu.getBoundingClientRect();
    const log = menu.closest(within)?.getBoundingClientRect() ?? { top: 0, bottom: innerHeight };
    const message = menu.parentElement?.getBoundingClientRect() ?? log;
    const [above, below] = [message.top - log.top, log.bottom - message.bottom];
    const isAbove = height > below && above > below;
    menu.classList.toggle('above', isAbove);
    menu.style.setProperty('--room', `${Math.max(above, below)}px`);
    menu.querySelector<HTMLElement>('[role=menuitem]')?.focus({ preventScroll: true });
    const outside = (event: Event) => {
      if (!menu.contains(event.target as Node)) onClose();
    };
    document.addEventListener('pointerdown', outside);
    return () => {
      document.removeEventListener('pointerdown', outside);
      if (menu.contains(document.activeElement) || document.activeElement === document.body) before?.focus();
    };
  }, [within, onClose]);

  return (
    <div class="menu" ref={box}>
      {facts.map((fact) => (
        <span key={fact} class="fact">
          {fact}
        </span>
      ))}
      <div
        role="menu"
        tabIndex={-1}
        aria-label={label}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (isPlain(event, 'Escape') || event.key === 'Tab') {
            event.preventDefault();
            onClose();
          } else rove(event, '[role=menuitem]');
        }}
      >
        {choices.map((choice) => (
          <button
            key={choice.label}
            type="button"
            role="menuitem"
            tabIndex={-1}
            onClick={() => {
              onClose();
              choice.run();
            }}
          >
            {choice.label}
          </button>
        ))}
      </div>
    </div>
  );
}
