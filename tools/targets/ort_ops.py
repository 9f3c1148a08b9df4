#!/usr/bin/env python3
"""Writes which ops, versions and types each released ONNX Runtime has kernels for, by its own registry.

    VENV/bin/python tools/targets/ort_ops.py cpu WORK_FOLDER     src/target/data/ort-cpu.ops.toml
    VENV/bin/python tools/targets/ort_ops.py cuda WORK_FOLDER    src/target/data/ort-cuda.ops.toml

VENV has the pinned `onnx`. The released packages are installed into WORK_FOLDER by pip (cpu: 16 of about 20 MB each,
cuda: one of 250 MB), and each is asked in a process of its own. The kernels of CUDA are registered without a GPU and
without CUDA: libraries of the same names whose functions return 0 stand in for it, since registration computes nothing;
they need a C compiler and binutils.
"""
import glob
import json
import os
import subprocess
import sys

RELEASES = (
    "1.16.3 1.17.3 1.18.1 1.19.2 1.20.1 1.21.1 1.22.1 1.23.2 1.24.4 1.25.1 1.26.0 1.27.0 1.28.0 1.29.0 1.30.0 1.31.1"
).split()
# Built against numpy 1.
OLD_NUMPY = ("1.16.3", "1.17.3", "1.18.1")
DOMAINS = ("", "ai.onnx.ml", "com.microsoft")
OPEN = 2**31 - 1
GROUPS = (
    ("ints", "int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()),
    ("floats", "float16 float double".split()),
    ("float8s", "float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz".split()),
)
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "target", "data")

ASK = """
import json, sys
import numpy
import onnxruntime.capi.onnxruntime_pybind11_state as state
kernels = [[k.provider, k.domain, k.op_name, list(k.version_range), {p: sorted(t) for p, t in k.type_constraints.items()}]
           for k in state.get_all_opkernel_def()]
json.dump(kernels, open(sys.argv[1], "w"))
"""


def pip(target, *packages):
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-cache-dir", "--target", target, *packages]
    subprocess.run(command, check=True)


def ask(work, name, folders, libraries=None):
    """The registry of one release, asked once and kept."""
    answer = os.path.join(work, f"{name}.json")
    if not os.path.exists(answer):
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(folders))
        if libraries:
            environment["LD_LIBRARY_PATH"] = libraries
        subprocess.run([sys.executable, "-c", ASK, answer], check=True, env=environment)
    with open(answer) as f:
        return json.load(f)


def cpu_registries(work):
    for release in RELEASES:
        folder = os.path.join(work, release)
        folders = [folder]
        if not os.path.exists(folder):
            pip(folder, f"onnxruntime=={release}")
        if release in OLD_NUMPY:
            old = os.path.join(work, "numpy1")
            if not os.path.exists(old):
                pip(old, "numpy==1.26.4")
            folders.insert(0, old)
        yield release, ask(work, f"cpu-{release}", folders)


def stand_ins(work, providers):
    """Libraries that have every symbol the providers want of NVIDIA's; all of them return 0."""
    folder = os.path.join(work, "stand-ins")
    os.makedirs(folder, exist_ok=True)
    wanted = {}
    for provider in providers:
        headers = subprocess.run(["objdump", "-p", provider], check=True, capture_output=True, text=True).stdout
        symbols = subprocess.run(["objdump", "-T", provider], check=True, capture_output=True, text=True).stdout
        needed = [line.split()[1] for line in headers.splitlines() if "NEEDED" in line]
        for library in needed:
            if library.startswith(("libcu", "libnv")):
                wanted.setdefault(library, set())
        for line in symbols.splitlines():
            words = line.split()
            if "*UND*" not in words:
                continue
            version, symbol = words[-2].strip("()"), words[-1]
            if version in wanted:
                wanted[version].add(symbol)
            elif version == "Base" and " w " not in line and symbol != "Provider_GetHost":
                owner = {"curand": "libcurand", "createNv": "libnvonnxparser", "cu": "libcuda.so"}
                prefix = next((v for k, v in owner.items() if symbol.startswith(k)), "libnvinfer")
                for library in wanted:
                    if library.startswith(prefix):
                        wanted[library].add(symbol)
    for library, symbols in wanted.items():
        source, script = os.path.join(folder, "s.c"), os.path.join(folder, "s.map")
        with open(source, "w") as f:
            # Objects of which every virtual function returns 0.
            f.write("static void *table[512], *object[1]; static long zero(void) { return 0; }\n")
            f.write("static void *make(void) { for (int i = 0; i < 512; i++) table[i] = (void *)zero; object[0] = table; return object; }\n")
            for symbol in sorted(symbols):
                body = "return make();" if symbol.startswith(("create", "getPlugin")) else "return 0;"
                f.write(f"void *{symbol}(void) {{ {body} }}\n")
        command = ["cc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{library}", "-o", os.path.join(folder, library), source]
        if library.startswith(("libcublas", "libcudart", "libcudnn")):
            with open(script, "w") as f:
                f.write(f"{library} {{ global: *; }};\n")
            command.append(f"-Wl,--version-script,{script}")
        subprocess.run(command, check=True)
    return folder


def cuda_registry(work):
    release = RELEASES[-1]
    folder = os.path.join(work, f"gpu-{release}")
    if not os.path.exists(folder):
        pip(folder, f"onnxruntime-gpu=={release}")
    providers = glob.glob(os.path.join(folder, "onnxruntime", "capi", "libonnxruntime_providers_[ct]*.so"))
    libraries = stand_ins(work, sorted(providers))
    yield release, ask(work, f"cuda-{release}", [folder], libraries)


def word(kind):
    """`seq(tensor(int64))` as the tables write it: `seq(int64)`."""
    kind = kind.replace(" ", "").replace("sparse_tensor(", "sparse(")
    while "tensor(" in kind:
        at = kind.index("tensor(")
        close = kind.index(")", at)
        kind = kind[:at] + kind[at + 7:close] + kind[close + 1:]
    return kind


def text_of(kinds):
    """A set of types, groups by their names."""
    kinds, words = set(kinds), []
    for before, after in (("", ""), ("seq(", ")"), ("optional(", ")"), ("optional(seq(", "))")):
        for name, members in GROUPS:
            spelled = {before + m + after for m in members}
            if spelled <= kinds:
                kinds -= spelled
                words.append(before + name + after)
    return " ".join(words + sorted(kinds))


def merged(combinations):
    """The fewest rows that together admit what the combinations admit: rows that differ in one parameter become one."""
    rows = [dict(c) for c in {json.dumps(sorted((k, sorted(v)) for k, v in c.items())): c for c in combinations}.values()]
    rows = [{k: frozenset(v) for k, v in row.items()} for row in rows]
    again = True
    while again:
        again = False
        for i, a in enumerate(rows):
            for j in range(i + 1, len(rows)):
                b = rows[j]
                if a.keys() != b.keys():
                    continue
                differ = [k for k in a if a[k] != b[k]]
                if len(differ) <= 1:
                    rows[i] = {k: a[k] | b[k] for k in a}
                    del rows[j]
                    again = True
                    break
            if again:
                break
    return sorted((tuple(sorted((k, text_of(v)) for k, v in row.items())) for row in rows))


def versions_of_ops():
    import onnx

    versions, functions = {}, {}
    for schema in onnx.defs.get_all_schemas_with_history():
        versions.setdefault((schema.domain, schema.name), []).append(schema.since_version)
        if schema.has_function or schema.has_context_dependent_function:
            functions.setdefault((schema.domain, schema.name), []).append(schema.since_version)
    return {k: sorted(v) for k, v in versions.items()}, functions


def rows_of(kernels, provider, versions):
    """(domain, op) -> since -> rows. A kernel without an end is one for the version of its start alone."""
    found = {}
    for its_provider, domain, op, (start, end), kinds in kernels:
        if its_provider != provider or domain not in DOMAINS:
            continue
        for since in versions.get((domain, op), [1]):
            if since == start or (end != OPEN and start <= since <= end):
                combination = {p: [word(k) for k in v] for p, v in kinds.items()}
                found.setdefault((domain, op), {}).setdefault(since, []).append(combination)
    return {k: {since: merged(c) for since, c in v.items()} for k, v in found.items()}


def minor(release):
    return ".".join(release.split(".")[:2])


def spans(history):
    """(op) -> {(row, from, until): versions}; a row lives in the releases that have exactly it."""
    releases = [minor(r) for r, _ in history]
    result = {}
    for key in sorted({k for _, rows in history for k in rows}):
        alive = {}
        for at, (_, rows) in enumerate(history):
            for since, found in rows.get(key, {}).items():
                for row in found:
                    alive.setdefault((since, row), []).append(at)
        for (since, row), ats in alive.items():
            runs = [[ats[0]]]
            for at in ats[1:]:
                if at == runs[-1][-1] + 1:
                    runs[-1].append(at)
                else:
                    runs.append([at])
            for run in runs:
                first = releases[run[0]] if run[0] else None
                last = releases[run[-1] + 1] if run[-1] + 1 < len(releases) else None
                result.setdefault(key, {}).setdefault((row, first, last), []).append(since)
    return result


def row_text(row, first, last, versions):
    parts = [f"v = {sorted(versions)}"]
    if row:
        parts.append("types = { " + ", ".join(f'{k} = "{v}"' for k, v in row) + " }")
    parts += [f'from = "{first}"'] if first else []
    parts += [f'until = "{last}"'] if last else []
    return "{ " + ", ".join(parts) + " }"


def write(path, command, source, history, functions):
    lines = [f"# Written by `tools/targets/ort_ops.py {command}`; not to be edited.", f'source = "{source}"']
    ops = spans(history)
    for domain in DOMAINS:
        lines += ["", f'[takes."{domain or "ai.onnx"}"]']
        for (its, op), rows in ops.items():
            if its != domain:
                continue
            rows = sorted(rows.items(), key=lambda r: (min(r[1]), r[0][1] or "", str(r[0])))
            texts = [row_text(*row, versions) for row, versions in rows]
            if len(texts) == 1:
                lines.append(f"{op} = [{texts[0]}]")
            else:
                lines += [f"{op} = ["] + [f"    {t}," for t in texts] + ["]"]
    for domain in DOMAINS:
        found = {op: v for (its, op), v in functions.items() if its == domain}
        if found:
            lines += ["", "# Replaced by what ONNX defines them to be, where there is no kernel.", f'[expands."{domain or "ai.onnx"}"]']
            lines += [f"{op} = {sorted(v)}" for op, v in sorted(found.items())]
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
    print(f"{path}: {len(ops)} ops, {sum(len(v) for v in ops.values())} rows")


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("cpu", "cuda"):
        raise SystemExit(__doc__)
    what, work = sys.argv[1:]
    os.makedirs(work, exist_ok=True)
    versions, functions = versions_of_ops()
    registries = cpu_registries(work) if what == "cpu" else cuda_registry(work)
    provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[what]
    history = [(release, rows_of(kernels, provider, versions)) for release, kernels in registries]
    of = f"onnxruntime {RELEASES[0]} to {RELEASES[-1]}" if what == "cpu" else f"onnxruntime-gpu {RELEASES[-1]}"
    source = f"the kernel registry of {of} (get_all_opkernel_def)"
    path = os.path.normpath(os.path.join(DATA, f"ort-{what}.ops.toml"))
    write(path, what, source, history, functions if what == "cpu" else {})


if __name__ == "__main__":
    main()
