// What a message says, with its formatting, in its own direction.

import type { ComponentChild } from 'preact';
import type { Content } from '../sdk/frames';
import { type Entity, piecesOf } from './markup';
import { pieces } from './text';

export function Body({ content, userId }: { content: Content; userId: string }) {
  const text = String(content.text ?? '');
  const entities: Entity[] = Array.isArray(content.entities) ? content.entities : [];
  return (
    <p dir="auto">
      {piecesOf(text, entities).map((piece, at) => (
        <Formatted key={at} text={piece.text} entities={piece.entities} userId={userId} />
      ))}
    </p>
  );
}

interface FormattedProps {
  text: string;
  entities: readonly Entity[];
  userId: string;
}

function Formatted({ text, entities, userId }: FormattedProps) {
  const of = (type: string) => entities.find((one) => one.type === type);
  const isCode = of('code') ?? of('pre');
  const link = /^https?:\/\//.test(text) && of('link');
  let whole: ComponentChild = isCode || link ? text : linked(text);
  if (link) {
    whole = (
      <a href={text} target="_blank" rel="noopener noreferrer">
        {text}
      </a>
    );
  }
  if (isCode) whole = <code class={of('pre') ? 'pre' : undefined}>{whole}</code>;
  if (of('bold')) whole = <strong>{whole}</strong>;
  if (of('italic')) whole = <em>{whole}</em>;
  const mention = of('mention');
  if (mention)
    whole = (
      <span class={mention.user === userId || mention.user === '*' ? 'mention me' : 'mention'}>{whole}</span>
    );
  return <>{whole}</>;
}

function linked(text: string): ComponentChild {
  return pieces(text).map((piece) =>
    piece.link ? (
      <a key={piece.text} href={piece.text} target="_blank" rel="noopener noreferrer">
        {piece.text}
      </a>
    ) : (
      piece.text
    ),
  );
}
