// Emoji that can be chosen, with the words by which they are found. Few enough to be small, and any other can be typed.

const GROUPS = {
  Faces:
    '😀 grinning happy|😃 smile happy|😄 laughing happy|😁 beaming grin|😆 laughing squint|😅 sweat relief|🤣 rolling laughing|😂 tears of joy laughing|🙂 slight smile|🙃 upside down|😉 wink|😊 blush smile|😇 angel halo|🥰 in love hearts|😍 heart eyes love|🤩 star struck|😘 kiss|😋 yummy tongue|😜 wink tongue|🤪 zany crazy|🤗 hug|🤭 giggle hand|🤫 quiet shush|🤔 thinking|🤨 raised eyebrow|😐 neutral|😑 expressionless|😶 no mouth|😏 smirk|🙄 rolling eyes|😬 grimace|😌 relieved|😴 sleeping|🤒 ill thermometer|🤯 mind blown|🥳 party|😎 cool sunglasses|🤓 nerd|😕 confused|😟 worried|😮 surprised open mouth|😲 astonished|😳 flushed|🥺 pleading|😨 afraid|😢 crying sad|😭 sobbing crying|😱 screaming|😞 disappointed sad|😓 sweat|😩 weary|🥱 yawn tired|😤 huffing|😡 angry red|🤬 swearing|💀 skull dead|💩 poo|🤖 robot',
  Hands:
    '👍 thumbs up yes like|👎 thumbs down no dislike|👌 ok|✌️ peace victory|🤞 fingers crossed luck|🤙 call me|👈 left|👉 right|👆 up|👇 down|☝️ point up|✋ hand stop high five|👋 wave hello goodbye|👏 clap applause|🙌 raised hands hooray|🙏 please thanks pray|🤝 handshake deal|💪 strong muscle|✍️ writing|👀 eyes look|🧠 brain|🫡 salute|🤷 shrug|🤦 facepalm|🙋 raised hand question',
  Signs:
    '❤️ red heart love|🧡 orange heart|💛 yellow heart|💚 green heart|💙 blue heart|💜 purple heart|🖤 black heart|💔 broken heart|💯 hundred perfect|✅ check done yes|☑️ checked box|❌ cross no|❓ question|❗ exclamation important|⚠️ warning|🚫 forbidden|🔴 red circle|🟡 yellow circle|🟢 green circle|➕ plus|➖ minus|🔁 again repeat|⏳ waiting hourglass|⏰ alarm clock|🔒 locked|🔑 key|💡 idea light|📌 pin|📎 paperclip|✏️ pencil|📅 calendar date|📈 chart up|📉 chart down|🐛 bug|🔧 wrench fix|🔥 fire hot|💧 drop|✨ sparkles|⭐ star|🎯 target goal',
  Things:
    '🎉 party celebrate|🎂 cake birthday|🎁 gift present|🏆 trophy win|🥇 first medal gold|🚀 rocket launch ship|🚗 car|🚲 bicycle|✈️ plane travel|🏠 house home|💻 computer laptop|📱 phone|📷 camera|🎵 music note|🎬 film|📚 books|☕ coffee|🍵 tea|🍺 beer|🍷 wine|🍕 pizza|🍔 burger|🍎 apple|🍓 strawberry|🥑 avocado|🍪 cookie|🌞 sun|🌧️ rain|❄️ snow cold|🌈 rainbow|🌱 plant seedling|🌹 rose flower|🐶 dog|🐱 cat|🦊 fox|🐻 bear|🐧 penguin|🦄 unicorn|🐢 turtle slow|🦀 crab|⚽ football|🏀 basketball|🏃 running|🧘 calm',
};

export interface Emoji {
  key: string;
  name: string;
}

export const groups: readonly { name: string; emoji: readonly Emoji[] }[] = Object.entries(GROUPS).map(
  ([name, all]) => ({
    name,
    emoji: all.split('|').map((one) => {
      const at = one.indexOf(' ');
      return { key: one.slice(0, at), name: one.slice(at + 1) };
    }),
  }),
);

/** Those whose words begin so, in their order. */
export function found(text: string): readonly Emoji[] {
  const wanted = text.trim().toLowerCase();
  const all = groups.flatMap(({ emoji }) => emoji);
  const typed = /\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(wanted)
    ? [{ key: text.trim(), name: 'what you typed' }]
    : [];
  return [
    ...typed,
    ...all.filter(({ key, name }) => key !== text.trim() && ` ${name}`.includes(` ${wanted}`)),
  ];
}

const KEPT = 'tidings.emoji';
const MOST_KEPT = 8;
const FIRST = ['👍', '❤️', '😂', '🎉', '😮', '😢', '🙏', '👀'];

/** Those that were chosen last on this device, and at first what most people choose. */
export function recent(storage: Pick<Storage, 'getItem'>): readonly Emoji[] {
  const all = groups.flatMap(({ emoji }) => emoji);
  const kept = (storage.getItem(KEPT) ?? '').split(' ').filter(Boolean);
  return [...new Set([...kept, ...FIRST])]
    .slice(0, MOST_KEPT)
    .map((key) => all.find((one) => one.key === key) ?? { key, name: 'chosen before' });
}

export function keep(storage: Pick<Storage, 'getItem' | 'setItem'>, key: string): void {
  const kept = recent(storage).map((one) => one.key);
  try {
    storage.setItem(KEPT, [key, ...kept.filter((one) => one !== key)].slice(0, MOST_KEPT).join(' '));
  } catch {
    // Storage is full or forbidden: what most people choose stays first.
  }
}
