// Members who may be meant, above the field. The focus stays in the field, which says which of them is chosen.

import type { Member } from '../sdk/rest';
import { Picture } from './Picture';

interface MentionListProps {
  id: string;
  found: readonly Pick<Member, 'user_id' | 'name'>[];
  chosen: number;
  onChoose: (at: number) => void;
}

export function MentionList({ id, found, chosen, onChoose }: MentionListProps) {
  return (
    <div class="mention-list" role="listbox" id={id} aria-label="Members" data-testid="mention-list">
      {found.map(({ user_id, name }, at) => (
        <div
          key={user_id}
          id={`${id}-${at}`}
          role="option"
          tabIndex={-1}
          aria-selected={at === chosen}
          // The field keeps the focus.
          onPointerDown={(event) => {
            event.preventDefault();
            onChoose(at);
          }}
        >
          <Picture id={user_id} name={name || user_id} avatar="" />
          <bdi>{name || user_id}</bdi>{' '}
          {name && name !== user_id && <small>{user_id === '*' ? 'everybody' : user_id}</small>}
        </div>
      ))}
    </div>
  );
}
