//! JSON Schemas of the frame types, in the plain form that generators of other languages read well.

use std::fmt::Write;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// Where the schemas stand in the document.
const PATH: &str = "/components/schemas";

/// Of what a client sends: a field with a default may be absent.
pub(super) fn of_client() -> SchemaGenerator {
    settings().for_deserialize().into_generator()
}

/// Of what a server sends: a field that is always written is required.
pub(super) fn of_server() -> SchemaGenerator {
    settings().for_serialize().into_generator()
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft07().with(|settings| settings.definitions_path = PATH.into())
}

/// The schema of one frame: that of its type, and `type`.
pub(super) fn frame<T: JsonSchema>(generator: &mut SchemaGenerator, tag: &str) -> Value {
    tagged(T::json_schema(generator), tag)
}

/// Adds the `type` of a frame to the schema of its fields.
pub(super) fn tagged(schema: Schema, tag: &str) -> Value {
    let mut schema = schema.to_value();
    let fields = schema.as_object_mut().expect("a frame is an object");
    let properties = fields.entry("properties").or_insert_with(|| json!({}));
    properties["type"] = json!({ "const": tag, "type": "string" });
    let required = fields.entry("required").or_insert_with(|| json!([]));
    required.as_array_mut().expect("a list of names").insert(0, json!("type"));
    schema
}

/// A reference to a schema of the document.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#{PATH}/{name}") })
}

/// Brings a schema into its plain form: no nulls (an absent field is absent), no formats of Rust's numbers, closed lists
/// of words as `enum`, and comments as running text.
pub(super) fn simplify(value: &mut Value) {
    match value {
        Value::Object(schema) => {
            without_null(schema);
            as_enum(schema);
            without_rust(schema);
            if let Some(Value::String(text)) = schema.get_mut("description") {
                *text = running(text);
            }
            schema.values_mut().for_each(simplify);
            with_reference_alone(schema);
        }
        Value::Array(list) => list.iter_mut().for_each(simplify),
        _ => {}
    }
}

fn without_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("enum") {
        choices.retain(|one| !one.is_null());
    }
    let null = json!({ "type": "null" });
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|one| *one != null);
        if let [Value::Object(one)] = choices.as_slice() {
            let one = one.clone();
            schema.remove("anyOf");
            for (key, value) in one {
                schema.entry(key).or_insert(value);
            }
        }
    }
}

/// `oneOf` of constants with comments becomes one `enum`, with the comments as a list in its description.
fn as_enum(schema: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = schema.get("oneOf") else { return };
    let word = |choice: &Value| {
        let word = choice.get("const")?.clone();
        let meaning = choice.get("description").and_then(Value::as_str).unwrap_or_default();
        Some((word, running(meaning)))
    };
    let Some(words) = choices.iter().map(word).collect::<Option<Vec<_>>>() else { return };
    let mut text =
        schema.get("description").and_then(Value::as_str).map(running).unwrap_or_default();
    text.push('\n');
    for (word, meaning) in &words {
        let word = word.as_str().map_or_else(|| word.to_string(), str::to_owned);
        let _ = write!(text, "\n- `{word}`: {meaning}");
    }
    schema.remove("oneOf");
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), words.into_iter().map(|(word, _)| word).collect());
    schema.insert("description".to_owned(), json!(text));
}

fn without_rust(schema: &mut Map<String, Value>) {
    if schema.get("format").is_some_and(|format| format != "uuid") {
        schema.remove("format");
    }
    // Bounds of Rust's numbers, which are none of the protocol.
    if schema.get("maximum").is_some_and(Value::is_u64) {
        schema.remove("maximum");
    }
    if schema.get("default").is_some_and(|default| !default.is_string()) {
        schema.remove("default");
    }
}

/// Draft 7 ignores what stands beside a `$ref`.
fn with_reference_alone(schema: &mut Map<String, Value>) {
    if schema.len() > 1
        && let Some(reference) = schema.remove("$ref")
    {
        schema.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
    }
}

/// A comment without the line breaks of its source and the links of rustdoc.
fn running(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let list = paragraph.contains("\n- ") || paragraph.starts_with("- ");
        if list { paragraph.to_owned() } else { paragraph.replace('\n', " ") }
    });
    let text = paragraphs.collect::<Vec<_>>().join("\n\n");
    text.replace("[`", "`").replace("`]", "`")
}

#[test]
fn plain_schema_has_neither_null_nor_numbers_of_rust() {
    let mut schema = json!({
        "description": "Two\nlines.",
        "type": ["object", "null"],
        "properties": {
            "a": { "anyOf": [{ "$ref": "#/x" }, { "type": "null" }], "description": "A." },
            "b": { "type": "integer", "format": "uint64", "minimum": 0, "default": null },
            "c": { "oneOf": [{ "const": "x", "description": "X." }, { "const": "y" }], "description": "C." },
        },
    });
    simplify(&mut schema);
    let plain = json!({
        "description": "Two lines.",
        "type": "object",
        "properties": {
            "a": { "allOf": [{ "$ref": "#/x" }], "description": "A." },
            "b": { "type": "integer", "minimum": 0 },
            "c": { "type": "string", "enum": ["x", "y"], "description": "C.\n\n- `x`: X.\n- `y`: " },
        },
    });
    assert_eq!(schema, plain);
}
