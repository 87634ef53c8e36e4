// Kotlin types of the frames, made from docs/asyncapi.yaml; every example goes through them and comes back as it was.
//
//     node protocol/kotlin.mjs FOLDER JARS    JARS holds the jars of the package `kotlin-jupyter-kernel` (make test-protocol)
//
// Where there is no Java, or no such folder, the types are only made.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { FetchingJSONSchemaStore, InputData, JSONSchemaInput, quicktype } from 'quicktype-core';
import { examples, jsonSchema } from './schema.mjs';

async function types(names) {
  // quicktype has no serializer for two shapes of one field in this framework. A cursor, a number or an object, is any JSON;
  // so is the sender of a notice, a user id where that of an entry is an object: a batch has frames of all kinds.
  const definitions = { ...jsonSchema().definitions, Cursor: {} };
  definitions.ServerNotice.properties.sender = {};
  const input = new JSONSchemaInput(new FetchingJSONSchemaStore());
  // Each frame by its own name: a union of all would become one class with the fields of all.
  for (const name of names) {
    await input.addSource({ name, schema: JSON.stringify({ ...definitions[name], definitions }) });
  }
  const inputData = new InputData();
  inputData.addInput(input);
  const rendererOptions = { framework: 'kotlinx', package: 'tidings' };
  const { lines } = await quicktype({ inputData, lang: 'kotlin', rendererOptions });
  return `${lines.join('\n')}\n`;
}

function program(all) {
  const checks = all.map(({ message, name, payload }) => {
    const text = JSON.stringify(JSON.stringify(payload)).replaceAll('$', '\\$');
    return `    check("${message}, ${name}", ${text}) { json.encodeToString(json.decodeFromString<${message}>(it)) }`;
  });
  return `package tidings

import kotlinx.serialization.encodeToString
import kotlinx.serialization.json.Json

val json = Json { explicitNulls = false }
var failed = 0

fun check(name: String, text: String, again: (String) -> String) {
    if (json.parseToJsonElement(again(text)) != json.parseToJsonElement(text)) {
        println("$name: \${again(text)} is not $text")
        failed += 1
    }
}

fun main() {
${checks.join('\n')}
    println("kotlin types: \${${all.length} - failed} passed, $failed failed")
    if (failed > 0) kotlin.system.exitProcess(1)
}
`;
}

/** The compiler with its plugin for serialization, which the jar has and does not announce. */
function compiled(folder, jars) {
  const names = readdirSync(jars);
  const path = (pattern) => join(jars, names.find((name) => pattern.test(name)) ?? '');
  const all = names.filter((name) => name.endsWith('.jar')).map((name) => join(jars, name));
  const plugin = join(folder, 'plugin');
  const services = join(plugin, 'META-INF/services');
  mkdirSync(services, { recursive: true });
  const registrar = 'org.jetbrains.kotlinx.serialization.compiler.extensions.SerializationComponentRegistrar';
  writeFileSync(join(services, 'org.jetbrains.kotlin.compiler.plugin.CompilerPluginRegistrar'), registrar);
  const needed = [/^kotlin-stdlib/, /^kotlinx-serialization-core/, /^kotlinx-serialization-json/];
  const libraries = needed.map(path).join(delimiter);
  const classes = join(folder, 'classes');
  const compiler = 'org.jetbrains.kotlin.cli.jvm.K2JVMCompiler';
  const options = ['-no-stdlib', '-no-reflect', `-Xplugin=${plugin}`, '-classpath', libraries, '-d', classes];
  const sources = [join(folder, 'Frames.kt'), join(folder, 'Main.kt')];
  const java = (args) => spawnSync('java', args, { stdio: 'inherit' }).status;
  const status = java(['-cp', all.join(delimiter), compiler, ...options, ...sources]);
  return status || java(['-cp', [classes, libraries].join(delimiter), 'tidings.MainKt']);
}

const [folder = 'kotlin', jars = ''] = process.argv.slice(2);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const all = examples();
const text = await types(new Set(all.map(({ message }) => message)));
writeFileSync(join(folder, 'Frames.kt'), text);
writeFileSync(join(folder, 'Main.kt'), program(all));
if (!existsSync(jars) || spawnSync('java', ['-version']).error) {
  console.log('kotlin types: made, and not compiled: there is no compiler, or no java');
} else process.exit(compiled(folder, jars) ?? 1);
