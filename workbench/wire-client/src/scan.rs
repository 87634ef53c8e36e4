//! Walks over JSON text without building it: fields of an object, elements of an array, as slices.
//!
//! It trusts the server to write JSON; what is not JSON ends the walk with [`Malformed`] at worst
//! later than a parser would. It must not allocate.

use uuid::Uuid;

/// The text is not the JSON it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed JSON")]
pub struct Malformed;

/// A key, without quotes, and its value as it stands.
pub type Field<'a> = (&'a [u8], &'a [u8]);

/// The fields of an object, in the order written.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// The elements of an array, in order.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Walks over `json`, which must be an object.
    pub fn of(json: &'a [u8]) -> Result<Self, Malformed> {
        match trim(json) {
            [b'{', rest @ ..] => Ok(Self { rest }),
            _ => Err(Malformed),
        }
    }

    /// The next field.
    #[expect(clippy::should_implement_trait, reason = "an iterator would go on after a failure")]
    pub fn next(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        let rest = skip(self.rest, b',');
        let [first, ..] = rest else { return Err(Malformed) };
        if *first == b'}' {
            return Ok(None);
        }
        let key_len = string_len(rest)?;
        let rest_after_key = trim(&rest[key_len..]);
        let [b':', value @ ..] = rest_after_key else { return Err(Malformed) };
        let value = trim(value);
        let value_len = value_len(value)?;
        self.rest = &value[value_len..];
        Ok(Some((&rest[1..key_len - 1], &value[..value_len])))
    }
}

impl<'a> Elements<'a> {
    /// Walks over `json`, which must be an array.
    pub fn of(json: &'a [u8]) -> Result<Self, Malformed> {
        match trim(json) {
            [b'[', rest @ ..] => Ok(Self { rest }),
            _ => Err(Malformed),
        }
    }

    /// The next element as it stands.
    #[expect(clippy::should_implement_trait, reason = "an iterator would go on after a failure")]
    pub fn next(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        let rest = skip(self.rest, b',');
        match rest {
            [] => Err(Malformed),
            [b']', ..] => Ok(None),
            _ => {
                let value_len = value_len(rest)?;
                self.rest = &rest[value_len..];
                Ok(Some(&rest[..value_len]))
            }
        }
    }
}

/// The inside of a string without escapes.
pub fn text(value: &[u8]) -> Option<&[u8]> {
    match value {
        [b'"', inside @ .., b'"'] if memchr::memchr(b'\\', inside).is_none() => Some(inside),
        _ => None,
    }
}

/// A whole number.
pub fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// A UUID in its usual text form.
pub fn uuid(value: &[u8]) -> Option<Uuid> {
    Uuid::try_parse_ascii(text(value)?).ok()
}

/// Without white space in front.
fn trim(json: &[u8]) -> &[u8] {
    json.trim_ascii_start()
}

/// Without white space and one separator in front.
fn skip(json: &[u8], separator: u8) -> &[u8] {
    let json = trim(json);
    match json {
        [first, rest @ ..] if *first == separator => trim(rest),
        _ => json,
    }
}

/// The length of the string at the start of `json`, quotes included.
fn string_len(json: &[u8]) -> Result<usize, Malformed> {
    if json.first() != Some(&b'"') {
        return Err(Malformed);
    }
    let mut at = 1;
    loop {
        let rest = json.get(at..).ok_or(Malformed)?;
        let found = memchr::memchr2(b'"', b'\\', rest).ok_or(Malformed)?;
        if rest[found] == b'"' {
            return Ok(at + found + 1);
        }
        at += found + 2;
    }
}

/// The length of the value at the start of `json`.
fn value_len(json: &[u8]) -> Result<usize, Malformed> {
    match json.first().ok_or(Malformed)? {
        b'"' => string_len(json),
        b'{' | b'[' => nested_len(json),
        _ => {
            let end = json
                .iter()
                .position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
                .ok_or(Malformed)?;
            if end == 0 { Err(Malformed) } else { Ok(end) }
        }
    }
}

/// The length of the object or array at the start of `json`. Brackets are counted, not matched.
fn nested_len(json: &[u8]) -> Result<usize, Malformed> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match json.get(at).ok_or(Malformed)? {
            b'"' => {
                at += string_len(&json[at..])?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn fields(json: &str) -> Result<Vec<(String, Value)>, Malformed> {
        let mut fields = Fields::of(json.as_bytes())?;
        let mut found = Vec::new();
        while let Some((key, value)) = fields.next()? {
            let key = String::from_utf8(key.to_vec()).unwrap();
            found.push((key, serde_json::from_slice(value).unwrap()));
        }
        Ok(found)
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{1,8}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_walk_finds_what_a_parser_finds(
            object in prop::collection::btree_map("[a-z]{1,8}", any_json(), 0..6),
            is_pretty in any::<bool>(),
        ) {
            let object: serde_json::Map<String, Value> = object.into_iter().collect();
            let json = if is_pretty {
                serde_json::to_string_pretty(&object).unwrap()
            } else {
                serde_json::to_string(&object).unwrap()
            };
            let expected: Vec<(String, Value)> = object.into_iter().collect();
            prop_assert_eq!(fields(&json).unwrap(), expected);
        }

        #[test]
        fn an_array_gives_its_elements(array in prop::collection::vec(any_json(), 0..6)) {
            let json = serde_json::to_string(&array).unwrap();
            let mut elements = Elements::of(json.as_bytes()).unwrap();
            let mut found = Vec::new();
            while let Some(value) = elements.next().unwrap() {
                found.push(serde_json::from_slice::<Value>(value).unwrap());
            }
            prop_assert_eq!(found, array);
        }

        #[test]
        fn no_bytes_make_the_walk_panic_or_hang(bytes in prop::collection::vec(
            prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b'"'), Just(b','), Just(b':'),
                Just(b'\\'), any::<u8>()],
            0..60,
        )) {
            for start in [b"{".as_slice(), b"["] {
                let json = [start, &bytes].concat();
                if let Ok(mut fields) = Fields::of(&json) {
                    while let Ok(Some(_)) = fields.next() {}
                }
                if let Ok(mut elements) = Elements::of(&json) {
                    while let Ok(Some(_)) = elements.next() {}
                }
            }
        }
    }

    #[test]
    fn texts_numbers_and_uuids_are_read_in_place() {
        assert_eq!(text(br#""abc""#), Some(b"abc".as_slice()));
        assert_eq!(text(br#""a\"c""#), None);
        assert_eq!(number(b"42"), Some(42));
        assert_eq!(number(b"-1"), None);
        let id = Uuid::now_v7();
        assert_eq!(uuid(format!("\"{id}\"").as_bytes()), Some(id));
    }
}
