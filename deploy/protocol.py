"""Types of the frames in Python, made from docs/asyncapi.yaml: every example goes through them and comes back as it was.

    protocol.py BIN    BIN holds datamodel-codegen and a python with pydantic and PyYAML (make test-protocol)
"""

import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile

import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]


def schema(document):
    """The schemas of the document as definitions of one JSON Schema."""
    text = json.dumps(document["components"]["schemas"]).replace("#/components/schemas/", "#/definitions/")
    sides = [{"$ref": f"#/definitions/{side}Frame"} for side in ("Client", "Server")]
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Frame", "oneOf": sides,
            "definitions": json.loads(text)}


def generated(document, tools, folder):
    """The module of the types."""
    (folder / "frames.json").write_text(json.dumps(schema(document)), encoding="utf-8")
    module = folder / "frames.py"
    subprocess.run(
        [tools / "datamodel-codegen", "--input", folder / "frames.json", "--input-file-type", "jsonschema",
         "--output", module, "--output-model-type", "pydantic_v2.BaseModel", "--target-python-version", "3.11",
         "--use-annotated", "--disable-timestamp", "--formatters", "builtin"],
        check=True,
    )
    spec = importlib.util.spec_from_file_location("frames", module)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["frames"] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def main():
    document = yaml.safe_load((REPOSITORY / "docs/asyncapi.yaml").read_text(encoding="utf-8"))
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        frames = generated(document, pathlib.Path(sys.argv[1]), pathlib.Path(folder))
        for name, message in document["components"]["messages"].items():
            for example in message.get("examples", []):
                model = getattr(frames, name).model_validate(example["payload"])
                again = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
                if again == example["payload"]:
                    passed += 1
                else:
                    failed += 1
                    print(f"{name}, {example['name']}: {again} is not {example['payload']}")
    print(f"python types: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
