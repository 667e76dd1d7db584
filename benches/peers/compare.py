#!/usr/bin/env python3
"""blo and JAX on the same work, in turns. See README.md beside this file.

Prints a line of JSON for each workload; what falls short of its floor, and how the rounds scattered, goes to standard error.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RING = [2, 200, 200, 200, 2]
TOLERANCE = {"f32": 1e-4, "f64": 1e-10}
DTYPE = {"f32": np.float32, "f64": np.float64}
PRODUCT = {"operation": "product", "size": 1024}
# Of a round, for each side.
SECONDS = 0.15
LARGEST_REPEAT = 1000


def network(operation, widths, rows, outer_rows=64, u="inputs", **more):
    fields = {"operation": operation, "widths": widths, "rows": rows, "outer_rows": outer_rows}
    return {**fields, "outer_parameters": u, **more}


def must_do(request):
    """The multiplications and additions of the large products that cannot be left out; `None` where those are not the limit."""
    if "widths" not in request or request["rows"] < 64:
        return None
    n, layers = request["rows"], list(zip(request["widths"], request["widths"][1:]))
    first, rest = layers[0][0] * layers[0][1], sum(i * o for i, o in layers[1:])
    if request["operation"] == "gradient":
        return n * (4 * first + 6 * rest)
    if request["operation"] == "linearize and hvp":
        return n * (6 * first + 16 * rest)
    # The first layer through the n x n matrix of its inputs: made once, as the image of b and q's part.
    once = 2 * n * n * layers[0][0] + 4 * n * first
    return once + request["terms"] * (2 * n * n * layers[0][1] + 12 * n * rest)


def workloads():
    """Name: (request, floor of the ratio on one thread in f32)."""
    ring = {"alpha": 0.05, "beta": 0.01, "repeat": 100}
    square = {"operation": "quadratic", "size": 20, "terms": 10, "alpha": 0.3}
    wide = [784, 512, 512, 10]
    return {
        "hvp 2x200x200x200x2 n=2": (network("hvp", RING, 2), 5),
        "neumann K=100 2x200x200x200x2 n=2": (network("neumann", RING, 2, terms=100, alpha=0.01), 12),
        "neumann K=100 784x10 n=10": (network("neumann", [784, 10], 10, terms=100, alpha=0.01), 15),
        "neumann K=20 784x200x200x200x10 n=256": (
            network("neumann", [784, 200, 200, 200, 10], 256, terms=20, alpha=0.01),
            1.8,
        ),
        "gradient 784x512x512x10 n=512": (network("gradient", wide, 512, u="weights"), 1.2),
        "hvp 784x512x512x10 n=512": (network("linearize and hvp", wide, 512, u="weights"), 1.1),
        "warm-start ring step n_outer=256": (network("warm step", RING, 2, 256, **ring), 2),
        "warm-start ring step n_outer=2000": (network("warm step", RING, 2, 2000, **ring), 1.8),
        "first hypergradient from a cold process 20 parameters": ({**square, "cold": True}, None),
        "hypergradient 20 parameters": (square, None),
    }


def tiny_workloads():
    """Every operation, at sizes that take no time, odd ones among them."""
    small, ring = [3, 7, 5, 4], {"alpha": 0.05, "beta": 0.01}
    return {
        "hvp": (network("hvp", small, 2, 9), None),
        "hvp, linearized, weights": (network("linearize and hvp", small, 6, 9, "weights"), None),
        "gradient": (network("gradient", small, 6, 9, "weights"), None),
        "neumann, factored": (network("neumann", [3, 20, 20, 4], 2, 9, terms=30, alpha=0.1), None),
        "neumann, plain": (network("neumann", small, 11, 9, terms=30, alpha=0.1), None),
        "neumann, linear": (network("neumann", [30, 4], 3, 9, terms=30, alpha=0.01), None),
        "warm step": (network("warm step", [2, 9, 8, 2], 2, 33, **ring), None),
        "quadratic": ({"operation": "quadratic", "size": 20, "terms": 10, "alpha": 0.3}, None),
        "product": ({"operation": "product", "size": 17}, None),
    }


def outer_gradient(w, widths, x, targets):
    """∂F/∂w, as b of a series has to be: what is drawn at random has next to nothing in the range of H."""
    layers, start = [], 0
    for i, o in zip(widths, widths[1:]):
        layers.append((w[start : start + i * o].reshape(o, i), w[start + i * o : start + (i + 1) * o]))
        start += (i + 1) * o
    inputs = [x]
    for weights, bias in layers:
        inputs.append(np.maximum(inputs[-1] @ weights.T + bias, 0))
    z = inputs[-2] @ layers[-1][0].T + layers[-1][1]
    s = np.exp(z - z.max(axis=1, keepdims=True))
    delta = (s / s.sum(axis=1, keepdims=True) - targets) / len(x)
    parts = []
    for l in reversed(range(len(layers))):
        parts[:0] = [(delta.T @ inputs[l]).ravel(), delta.sum(axis=0)]
        delta = (delta @ layers[l][0]) * (inputs[l] > 0)
    return np.concatenate(parts)


def arrays(request):
    """The numbers that both sides compute on, and the parts of the result: (length, what to subtract before comparing)."""
    random = np.random.default_rng(7)
    normal = lambda *shape: random.standard_normal(shape)
    if request["operation"] == "product":
        n = request["size"]
        return {"a": normal(n, n), "b": normal(n, n)}, [(n * n, 0)]
    if request["operation"] == "quadratic":
        n = request["size"]
        q, _ = np.linalg.qr(normal(n, n))
        c = normal(n, n)
        data = {"a": q @ np.diag(np.linspace(0.1, 2, n)) @ q.T, "b": normal(n, n), "c": c + c.T, "p": np.eye(n)}
        return {**data, **{name: normal(n) for name in ["d", "e", "f", "u", "w"]}}, [(n, 0)]
    widths, rows, outer_rows = request["widths"], request["rows"], request["outer_rows"]
    features, classes = widths[0], widths[-1]
    labels = lambda count: np.eye(classes)[np.arange(count) % classes]
    data = {"targets": labels(rows), "outer_x": normal(outer_rows, features), "outer_targets": labels(outer_rows)}
    layers = []
    for i, o in zip(widths, widths[1:]):
        layers += [np.sqrt(2 / (i + o)) * normal(o * i), 0.1 * normal(o)]
    data["w"] = np.concatenate(layers)
    inputs = normal(rows, features)
    data["u"], data["x"] = (normal(rows), inputs) if request["outer_parameters"] == "weights" else (inputs, inputs)
    parameters = len(data["w"])
    if request["operation"] == "neumann":
        data["v"] = outer_gradient(data["w"], widths, data["outer_x"], data["outer_targets"])
        # What the series is without H: an error of H must not hide behind it.
        parts = [(parameters, request["alpha"] * (request["terms"] + 1) * data["v"])]
    else:
        data["v"] = normal(parameters)
        parts = [(parameters, 0)]
    if request["operation"] == "gradient":
        parts.insert(0, (1, 0))
    if request["operation"] == "warm step":
        parts = [(data["u"].size, data["u"].ravel()), (parameters, data["w"])]
    return data, parts


def difference(parts, ours, theirs):
    """The largest relative difference of a part."""
    length = sum(length for length, _ in parts)
    if not len(ours) == len(theirs) == length:
        raise SystemExit(f"results of {len(ours)} and {len(theirs)} numbers in place of {length}")
    worst, start = 0.0, 0
    for length, base in parts:
        x, y = (result[start : start + length].astype(np.float64) for result in (ours, theirs))
        scale = np.linalg.norm(y - base)
        if not np.isfinite(scale) or scale == 0:
            raise SystemExit("the peer's result is zero or not finite")
        worst = max(worst, float(np.nan_to_num(np.linalg.norm(x - y) / scale, nan=np.inf)))
        start += length
    return worst


class Worker:
    """A process that answers requests."""

    def __init__(self, command, threads):
        environment = dict(os.environ)
        # Both sides are on one core; that they start one thread, too, spares them switching between several.
        cores = sorted(os.sched_getaffinity(0))
        if threads == 1:
            flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
            environment.update(RAYON_NUM_THREADS="1", OMP_NUM_THREADS="1", XLA_FLAGS=flags)
            cores = cores[-1:]
        pin = lambda: os.sched_setaffinity(0, cores)
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment, preexec_fn=pin)
        self.command = command

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            raise SystemExit(f"{pathlib.Path(self.command[-1]).name}, {request['workload']}: {answer['error']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Comparison:
    """A workload on both sides; blo is the first."""

    def __init__(self, name, request, dtype, threads, commands, folder):
        self.commands, self.threads = commands, threads
        self.data, self.parts = arrays(request)
        for key, values in self.data.items():
            np.ascontiguousarray(values, DTYPE[dtype]).tofile(f"{folder}/{key}.bin")
        # Compared with the arrays as they are after rounding.
        rounded = lambda base: np.asarray(base).astype(DTYPE[dtype]).astype(np.float64)
        self.parts = [(length, rounded(base)) for length, base in self.parts]
        self.request = {**request, "workload": name, "dtype": dtype, "folder": str(folder)}
        self.results = [f"{folder}/blo.bin", f"{folder}/peer.bin"]
        self.cold = request.get("cold", False)
        self.workers = [] if self.cold else [Worker(command, threads) for command in commands]
        # Beside large products, in the same rounds, one of the kind that machines are best at.
        self.operations, self.product = must_do(request), {**PRODUCT, "workload": "product"}
        if self.operations:
            for key, values in arrays(PRODUCT)[0].items():
                values.astype(DTYPE[dtype]).tofile(f"{folder}/{key}.bin")

    def ask(self, side, repeat, other={}):
        """The seconds of a round on one side, and the answer."""
        request = {**self.request, "repeat": repeat, "result": self.results[side], **other}
        if not self.cold:
            answer = self.workers[side].ask(request)
            return statistics.median(answer["seconds"]), answer
        start = time.perf_counter()
        worker = Worker(self.commands[side], self.threads)
        answer = worker.ask({**request, "repeat": 0})
        seconds = time.perf_counter() - start
        worker.close()
        return seconds, answer

    def check(self):
        """The relative difference of the results, the peer's version, and how many repetitions make a round."""
        asked = [self.ask(side, 3) for side in range(2)]
        ours, theirs = (np.fromfile(path, DTYPE[self.request["dtype"]]) for path in self.results)
        seconds = max(seconds for seconds, _ in asked)
        repeat = min(self.request.get("repeat", LARGEST_REPEAT), max(3, int(SECONDS / seconds)))
        return difference(self.parts, ours, theirs), asked[1][1]["version"], repeat

    def rounds(self, count, repeat):
        """The median seconds of each round, in turns, and the best of the products."""
        seconds, products = [[], []], [[], []]
        for number in range(count):
            for side in [0, 1] if number % 2 == 0 else [1, 0]:
                seconds[side].append(self.ask(side, repeat)[0])
                if self.operations:
                    products[side].append(self.ask(side, 3, self.product)[0])
        return seconds, min(products[0] + products[1], default=None)

    def close(self):
        for worker in self.workers:
            worker.close()


def build():
    """blo's worker, built as a release with the flags of the environment."""
    command = ["cargo", "build", "--release", "--example", "peer_worker", "--message-format=json"]
    lines = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    found = [json.loads(line).get("executable") for line in lines if '"peer_worker"' in line]
    return [path for path in found if path][-1]


def machine():
    fields = dict(line.split(":", 1) for line in open("/proc/cpuinfo").read().split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    rustc = subprocess.run(["rustc", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    flags = [flag for flag in ["avx2", "fma", "avx512f"] if flag in fields.get("flags", "").split()]
    cores = len(os.sched_getaffinity(0))
    return {"cpu": fields.get("model name"), "cores": cores, "features": flags, "rustc": rustc, "load": os.getloadavg()[0]}


def commit():
    git = lambda *arguments: subprocess.run(["git", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "benches/peers", "Cargo.toml", "Cargo.lock")
    return git("rev-parse", "HEAD") + (" and changes" if changed else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5 rounds in place of 21")
    parser.add_argument("--rounds", type=int, help="rounds of each side")
    parser.add_argument("--only", default="", help="the workloads whose names contain this")
    parser.add_argument("--dtype", choices=["f32", "f64"], default="f32")
    parser.add_argument("--threads", choices=["1", "all", "both"], default="both")
    parser.add_argument("--record", type=pathlib.Path, metavar="FILE", help="write benches/record/FILE.json as well")
    parser.add_argument("--note", help="a remark for the record")
    parser.add_argument("--check", action="store_true", help="tiny sizes in f32 and f64: correctness only")
    options = parser.parse_args()

    commands = [[build()], [sys.executable, str(HERE / "jax_worker.py")]]
    cores = len(os.sched_getaffinity(0))
    threads = {"1": [1], "all": [cores], "both": sorted({1, cores})}[options.threads]
    runs = [(tiny_workloads(), dtype, 1) for dtype in TOLERANCE] if options.check else []
    runs = runs or [(workloads(), options.dtype, count) for count in threads]
    if not any(options.only in name for chosen, _, _ in runs for name in chosen):
        parser.error(f"no workload has {options.only!r} in its name")
    count = options.rounds or (5 if options.quick else 21)
    lines, details, failed, alone = [], [], False, {}
    for chosen, dtype, threads in runs:
        for name, (request, floor) in chosen.items():
            if options.only not in name:
                continue
            with tempfile.TemporaryDirectory() as folder:
                comparison = Comparison(name, request, dtype, threads, commands, folder)
                error, version, repeat = comparison.check()
                if error > TOLERANCE[dtype]:
                    failed = True
                    print(f"MISMATCH: {name} {dtype}: relative difference {error:.1e}", file=sys.stderr)
                elif options.check:
                    print(json.dumps({"workload": name, "dtype": dtype, "difference": error}), flush=True)
                else:
                    (ours, theirs), product = comparison.rounds(count, repeat)
                    blo, peer = statistics.median(ours), statistics.median(theirs)
                    line = {"workload": name, "dtype": dtype, "threads": threads, "blo_seconds": blo}
                    line.update(peer=f"jax {version}", peer_seconds=peer, ratio=peer / blo)
                    print(json.dumps(line), flush=True)
                    lines.append(line)
                    ratios = sorted(theirs / ours for ours, theirs in zip(ours, theirs))
                    middle = [ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]]
                    detail = {"rounds": count, "repeat": repeat, "best": [min(ours), min(theirs)], "ratios": middle}
                    details.append({**detail, "difference": error})
                    if threads == 1:
                        alone[name] = line["ratio"]
                    else:
                        floor = 0.9 * alone[name] if floor and name in alone else None
                    short = floor and dtype == "f32" and line["ratio"] < floor
                    verdict = f", BELOW its floor of {floor:.3g}" if short else f" (floor {floor:.3g})" if floor else ""
                    text = f"{name}, {threads}: {line['ratio']:.2f} [{middle[0]:.2f}, {middle[1]:.2f}]{verdict}"
                    if product:
                        # Of the best rounds: what disturbs one of the two says nothing of the other.
                        rates = comparison.operations / min(ours), 2 * PRODUCT["size"] ** 3 / product
                        details[-1].update(flops=rates[0], product_flops=rates[1], share=rates[0] / rates[1])
                        text += f"; {rates[0] / 1e9:.0f} GFLOP/s, {rates[0] / rates[1]:.0%} of the best large product"
                    print(text, file=sys.stderr, flush=True)
                comparison.close()
    if options.record:
        arguments = " ".join(f"'{word}'" if " " in word else word for word in sys.argv[1:])
        record = {"machine": machine(), "commit": commit(), "command": f"python benches/peers/compare.py {arguments}"}
        record.update(date=datetime.date.today().isoformat(), note=options.note)
        record["lines"] = [{**line, **detail} for line, detail in zip(lines, details)]
        path = ROOT / "benches/record" / options.record.with_suffix(".json").name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
