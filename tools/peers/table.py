"""Renders the results of the comparison as Markdown."""
PEERS = ("onnxsim", "onnxslim", "onnxoptimizer", "onnxscript", "onnxscript_rewriter", "polygraphy")
# ONNX Runtime's own, whose files are for ONNX Runtime alone.
OWN = ("ort_basic", "ort_extended", "ort_all", "ort_transformers")
# onnxpress, by target.
OURS = {"onnxpress": "onnx", "onnxpress_ort": "ort-cpu", "onnxpress_trt": "tensorrt"}
TOOLS = PEERS + OWN + tuple(OURS)
LEGEND = """Every NodeProto counts: bodies, functions and Constants too. `*`: has operators that neither ONNX
nor the original has (not taken for the best); `!`: not the original's outputs or no valid model (not taken either);
`–`: no result.
"""


def usable(result):
    return result.get("status") == "ok" and result.get("check", {}).get("verdict") in ("same", "random")


def foreign(model, result):
    return set(result["foreign"]) - set(model["foreign"])


def counts(model, result):
    return usable(result) and not foreign(model, result)


def best(model):
    """The fewest nodes that a peer leaves, with standard operators and the original's outputs."""
    left = [r["nodes"] for t, r in model["tools"].items() if t in PEERS and counts(model, r)]
    return min(left + [model["nodes"]])


def cell(model, tool, show):
    result = model["tools"].get(tool, {})
    if result.get("status") != "ok":
        return "–"
    return show(result) + ("!" if not usable(result) else "*" if foreign(model, result) else "")


def markdown(header, rows):
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)] + rows
    return "\n".join("| %s |" % " | ".join(map(str, line)) for line in lines) + "\n"


def node_rows(results):
    rows, totals = [], [0, 0, 0]
    for name, model in sorted(results.items()):
        cells = [cell(model, t, lambda r: str(r["nodes"])) for t in TOOLS]
        ours, least, share = model["tools"].get("onnxpress", {}), best(model), "–"
        if counts(model, ours):
            share = "%.2f" % (ours["nodes"] / least)
            totals = [a + b for a, b in zip(totals, (model["nodes"], least, ours["nodes"]))]
        rows.append([name, model["nodes"]] + cells + [least, share])
    if totals[2]:
        blanks = [""] * (len(TOOLS) - 1)
        share = "%.3f" % (totals[2] / totals[1])
        rows.append(["**all with onnxpress**", totals[0]] + blanks + [totals[2], totals[1], share])
    return rows


def cost(result):
    return "%.1f / %.0f" % (result["cpu"], result["rss"] / 1e6)


def anonymous(result):
    return "%.0f" % (result["anonymous"] / 1e6)


def size(result):
    return "%.1f" % (result["bytes"] / 1e6)


def faults(results):
    for name, model in sorted(results.items()):
        for tool in TOOLS:
            result = model["tools"].get(tool)
            if result is None:
                continue
            verdict = result.get("check", {})
            if result["status"] != "ok":
                what, why = result["status"], " ".join(result["tail"].split())[-240:]
            elif not usable(result):
                what, why = verdict.get("verdict"), verdict.get("message", verdict.get("difference"))
            else:
                continue
            yield "* %s, %s: %s: %s" % (name, tool, what, why)


def render(results):
    parts = ["# Nodes\n", LEGEND]
    parts.append(markdown(["model", "original"] + list(TOOLS) + ["best peer", "onnxpress / best"], node_rows(results)))
    for title, show in (("CPU seconds / peak RSS in MB", cost), ("Peak anonymous memory in MB", anonymous),
                        ("Size in MB", size)):
        rows = [[name, "%.1f" % (model["bytes"] / 1e6)] + [cell(model, t, show) for t in TOOLS]
                for name, model in sorted(results.items())]
        parts += ["# %s\n" % title, markdown(["model", "MB"] + list(TOOLS), rows)]
    versions = {t: r["version"] for m in results.values() for t, r in m["tools"].items()}
    parts += ["# Faults\n", "\n".join(faults(results)) or "None.", ""]
    parts.append("Versions: %s." % ", ".join("%s %s" % (t, versions[t]) for t in TOOLS if t in versions))
    return "\n".join(parts) + "\n"
