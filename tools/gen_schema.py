#!/usr/bin/env python3
"""Write src/schema/ops.rs: what ONNX and ONNX Runtime say of each operator.

    python tools/gen_schema.py            write the file
    python tools/gen_schema.py --check    exit 1 if the file on disk differs

Needs `onnx` and `onnxruntime` (CPU wheel) in the versions below. Every domain and version that `onnx` knows is taken
from `onnx`; from ONNX Runtime only the domain `com.microsoft`. The two describe a schema under different field names and
ONNX Runtime says nothing of determinism, which is then "unknown".
"""

import argparse
import pathlib
import re
import struct
import sys
import textwrap

import onnx
import onnx.defs
import onnx.helper
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

ONNX_VERSION = "1.23.2"
ORT_VERSION = "1.31.1"
ORT_DOMAIN = "com.microsoft"
OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "src" / "schema" / "ops.rs"
UNBOUNDED = 2**31 - 1
LINE_WIDTH = 140

KINDS = {
    "FLOAT": "Float", "INT": "Int", "STRING": "String", "TENSOR": "Tensor", "GRAPH": "Region",
    "SPARSE_TENSOR": "SparseTensor", "TYPE_PROTO": "Type", "FLOATS": "Floats", "INTS": "Ints",
    "STRINGS": "Strings", "TENSORS": "Tensors", "GRAPHS": "Regions", "SPARSE_TENSORS": "SparseTensors",
    "TYPE_PROTOS": "Types",
}
DETERMINISM = {"Deterministic": "DET", "NonDeterministic": "NON", "Unknown": "UNK"}


def enum_name(value):
    """`Single` of `FormalParameterOption.Single`: the two packages bind their enums differently."""
    return str(value).rsplit(".", 1)[-1]


def quote(text):
    """A Rust literal; without blanks, so that a long line may be wrapped at any blank."""
    if re.search(r'[^!-~]|["\\\\]', text):
        sys.exit(f"a text of a schema needs escaping: {text!r}")
    return f'"{text}"'


def canonical_type(text):
    """`map(int64, float)` is an old spelling of `map(int64,tensor(float))`."""
    return re.sub(r"map\((\w+), ?(\w+)\)", r"map(\1,tensor(\2))", text).replace(" ", "")


def float_literal(value):
    """The shortest decimal that is the same f32."""
    bits = struct.pack("<f", value)
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        try:
            same = struct.pack("<f", float(text)) == bits
        except OverflowError:
            continue
        if same:
            return text if "." in text or "e" in text else text + ".0"
    sys.exit(f"a default that is no finite f32: {value!r}")


def default_literal(proto):
    kinds = onnx.AttributeProto
    if proto.type == kinds.UNDEFINED:
        return None
    if proto.type == kinds.INT:
        return f"Int({proto.i})"
    if proto.type == kinds.FLOAT:
        return f"Float({float_literal(proto.f)})"
    if proto.type == kinds.STRING:
        return f"String({quote(proto.s.decode())})"
    if proto.type == kinds.INTS:
        return "Ints(&[" + ", ".join(map(str, proto.ints)) + "])"
    if proto.type == kinds.FLOATS:
        return "Floats(&[" + ", ".join(map(float_literal, proto.floats)) + "])"
    if proto.type == kinds.STRINGS:
        return "Strings(&[" + ", ".join(quote(s.decode()) for s in proto.strings) + "])"
    sys.exit(f"{proto.name}: a default of attribute type {proto.type} has no place in AttrDefault")


def attribute(definition):
    name, kind = quote(definition.name), KINDS[enum_name(definition.type)]
    if hasattr(definition, "default_value"):
        proto = definition.default_value
    else:
        proto = onnx.AttributeProto.FromString(definition._default_value)
    default = default_literal(proto)
    if definition.required:
        if default is not None:
            sys.exit(f"{definition.name}: required, and has a default")
        return f"req({name}, K::{kind})"
    if default is None:
        return f"att({name}, K::{kind})"
    return f"val({name}, K::{kind}, D::{default})"


def parameter(formal):
    homogeneous = formal.is_homogeneous if hasattr(formal, "is_homogeneous") else formal.isHomogeneous
    type_name = formal.type_str if hasattr(formal, "type_str") else formal.typeStr
    option = enum_name(formal.option)
    function = {"Single": "one", "Optional": "opt", "Variadic": "var" if homogeneous else "het"}[option]
    return f"{function}({quote(formal.name)}, {quote(canonical_type(type_name))})"


def constraint(definition, types):
    allowed = sorted({canonical_type(t) for t in definition.allowed_type_strs})
    return f"tc({quote(definition.type_param_str)}, &{types.reference([quote(t) for t in allowed])})"


def arity(count):
    return "MANY" if count >= UNBOUNDED else str(count)


class Interned:
    """Equal lists become one static each, numbered in the order of first use."""

    def __init__(self, prefix, element):
        self.prefix, self.element, self.numbers = prefix, element, {}

    def reference(self, items):
        return f"{self.prefix}{self.numbers.setdefault(tuple(items), len(self.numbers))}"

    def statics(self):
        for items, number in self.numbers.items():
            head = f"static {self.prefix}{number}: [{self.element}; {len(items)}] = "
            yield wrapped(f"{head}[{', '.join(items)}];")


def wrapped(line):
    return "\n".join(textwrap.wrap(line, LINE_WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False))


def collect():
    schemas = list(onnx.defs.get_all_schemas_with_history())
    contrib = [s for s in ort_state.get_all_operator_schema() if s.domain == ORT_DOMAIN]
    if not schemas or not contrib:
        sys.exit("a package gave no schemas")
    return sorted(schemas + contrib, key=lambda s: (s.domain, s.name, s.since_version))


def domain_rows(schemas):
    """(domain, newest opset, number of schemas) of each domain that has an operator."""
    newest = {domain: versions[1] for domain, versions in onnx.defs.C.schema_version_map().items()}
    rows = []
    for domain in sorted({s.domain for s in schemas}):
        own = [s.since_version for s in schemas if s.domain == domain]
        rows.append((domain, newest.get(domain, max(own)), len(own)))
    return rows


def release_rows():
    """(IR version, ai.onnx opset, ai.onnx.ml opset) of each release, without repeats."""
    return sorted({tuple(row[1:4]) for row in onnx.helper.VERSION_TABLE})


def schema_row(schema, tables):
    inputs = tables["params"].reference([parameter(p) for p in schema.inputs])
    outputs = tables["params"].reference([parameter(p) for p in schema.outputs])
    attrs = tables["attrs"].reference([attribute(schema.attributes[name]) for name in sorted(schema.attributes)])
    constraints = tables["constraints"].reference(
        [constraint(c, tables["types"]) for c in sorted(schema.type_constraints, key=lambda c: c.type_param_str)]
    )
    arities = ", ".join(map(arity, (schema.min_input, schema.max_input, schema.min_output, schema.max_output)))
    determinism = DETERMINISM[enum_name(getattr(schema, "node_determinism", "Unknown"))]
    deprecated = ".deprecated()" if schema.deprecated else ""
    return (
        f"    op(({quote(schema.domain)}, {quote(schema.name)}, {schema.since_version}), [{arities}], "
        f"&{inputs}, &{outputs}, &{attrs}, &{constraints}, {determinism}){deprecated},"
    )


HEADER = """\
//! Operator schemas, generated by `tools/gen_schema.py` from onnx {onnx} and ONNX Runtime {ort}. Do not edit.
//!
//! `OPS` is sorted by domain, name and version. Number of schemas by domain:
{counts}

use crate::ir::AttrKind as K;
use crate::schema::types::AttrDefault as D;
use crate::schema::types::Determinism::{{Deterministic as DET, NonDeterministic as NON, Unknown as UNK}};
use crate::schema::types::build::{{att, het, one, op, opt, req, tc, val, var}};
use crate::schema::types::{{AttrDef, Param, Schema, TypeConstraint}};

const MANY: u32 = u32::MAX;
"""


def generate():
    schemas = collect()
    tables = {
        "types": Interned("T", "&str"),
        "constraints": Interned("C", "TypeConstraint"),
        "params": Interned("P", "Param"),
        "attrs": Interned("A", "AttrDef"),
    }
    rows = [schema_row(schema, tables) for schema in schemas]
    domains = domain_rows(schemas)
    releases = release_rows()
    counts = "\n".join(f"//! * `{domain or 'ai.onnx'}`: {count}" for domain, _, count in domains)
    lines = [HEADER.format(onnx=onnx.__version__, ort=onnxruntime.__version__, counts=counts)]
    lines.append("/// Domain, newest opset, number of schemas.")
    lines.append(f"pub(super) static DOMAINS: [(&str, i64, usize); {len(domains)}] = [")
    lines += [f"    ({quote(domain)}, {newest}, {count})," for domain, newest, count in domains]
    lines.append("];\n\n/// IR version, `ai.onnx` opset and `ai.onnx.ml` opset of each release, in order.")
    lines.append(f"pub(super) static RELEASES: [(i64, i64, i64); {len(releases)}] = [")
    lines += [f"    ({ir}, {main}, {ml})," for ir, main, ml in releases]
    lines.append("];\n\n/// Every schema, sorted by domain, name and version.")
    lines.append(f"pub(super) static OPS: [Schema; {len(rows)}] = [")
    lines += rows
    lines.append("];\n")
    for table in tables.values():
        lines += table.statics()
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n", domains


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="exit 1 if the file on disk differs; write nothing")
    check = parser.parse_args().check
    for package, wanted in ((onnx, ONNX_VERSION), (onnxruntime, ORT_VERSION)):
        if package.__version__ != wanted:
            sys.exit(f"{package.__name__} {package.__version__} found; this script is pinned to {wanted}")
    text, domains = generate()
    for domain, newest, count in domains:
        print(f"{domain or 'ai.onnx'}: {count} schemas, newest opset {newest}")
    if not check:
        OUTPUT.write_text(text, encoding="utf-8", newline="\n")
    elif not OUTPUT.is_file() or OUTPUT.read_text(encoding="utf-8") != text:
        sys.exit(f"{OUTPUT} is stale: run tools/gen_schema.py")


if __name__ == "__main__":
    main()
