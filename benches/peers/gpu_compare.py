#!/usr/bin/env python3
"""blo on a GPU beside JAX and PyTorch on the same one, in turns, and beside the limits of the device measured in the same run.

Prints a line of JSON for each workload, as compare.py does; a peer that cannot be imported is left out, and said to be.
"""

import argparse
import datetime
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
from compare import DTYPE, HERE, RING, TOLERANCE, Worker, arrays, difference, network

# Of a round, for each side.
SECONDS = 0.3
LARGEST_REPEAT = 1000


def workloads():
    """Those that the record has."""
    found = {}
    wide = [784, 512, 512, 10]
    for rows in [512, 8192]:
        found[f"gradient 784x512x512x10 n={rows}"] = network("gradient", wide, rows, u="weights")
        found[f"hvp 784x512x512x10 n={rows}"] = network("linearize and hvp", wide, rows, u="weights")
    for width in [256, 1024, 4096]:
        for rows in [256, 2048, 16384]:
            widths = [width, width, width, 10]
            shape = "x".join(map(str, widths))
            found[f"hvp {shape} n={rows}"] = network("linearize and hvp", widths, rows, u="weights")
    found["neumann K=100 2x200x200x200x2 n=2"] = network("neumann", RING, 2, terms=100, alpha=0.01)
    digits = [784, 200, 200, 200, 10]
    found["neumann K=100 784x200x200x200x10 n=256"] = network("neumann", digits, 256, terms=100, alpha=0.01)
    ring = {"alpha": 0.05, "beta": 0.01, "repeat": 100}
    for rows in [256, 2000]:
        found[f"warm-start ring step n_outer={rows}"] = network("warm step", RING, 2, rows, **ring)
    # Of those whose time is that of large products; peers take them as before.
    for name in [name for name in found if name.startswith(("gradient", "hvp"))]:
        found[f"{name}, tensor cores"] = {**found[name], "tensor_cores": True}
    return found


def tiny_workloads():
    """Every operation, at sizes that a simulator can do."""
    small = [3, 17, 9, 4]
    return {
        "hvp": network("hvp", small, 2, 9),
        "hvp, linearized, weights": network("linearize and hvp", small, 6, 9, "weights"),
        "gradient": network("gradient", small, 6, 9, "weights"),
        "gradient, tensor cores": network("gradient", small, 11, 9, "weights", tensor_cores=True),
        "neumann": network("neumann", small, 11, 9, terms=12, alpha=0.1),
        "warm step": network("warm step", [2, 9, 8, 2], 2, 33, alpha=0.05, beta=0.01),
    }


def must_do(request):
    """The multiplications and additions of the large products."""
    n, layers = request["rows"], list(zip(request["widths"], request["widths"][1:]))
    first, rest = layers[0][0] * layers[0][1], sum(i * o for i, o in layers[1:])
    per_hvp = n * (4 * first + 12 * rest)
    return {
        "gradient": n * (4 * first + 6 * rest),
        "hvp": per_hvp,
        "linearize and hvp": n * (6 * first + 16 * rest),
        "neumann": per_hvp * request.get("terms", 0),
    }.get(request["operation"])


def peers(python):
    """The commands of those that can be imported."""
    found = {}
    for name in ["jax", "torch"]:
        if subprocess.run([python, "-c", f"import {name}"], stderr=subprocess.DEVNULL).returncode == 0:
            found[name] = [python, str(HERE / "gpu_worker.py"), name]
        else:
            print(f"{name}: cannot be imported, left out", file=sys.stderr)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", required=True, help="the built benches/gpu.rs")
    parser.add_argument("--python", default=sys.executable, help="with JAX and PyTorch")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="the workloads whose names contain this")
    parser.add_argument("--dtype", choices=["f32", "f64"], default="f32")
    parser.add_argument("--check", action="store_true", help="tiny sizes in f32 and f64: correctness only")
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--record", type=pathlib.Path, metavar="FILE", help="write this file as well")
    parser.add_argument("--commit", default="", help="for the record")
    parser.add_argument("--note", help="a remark for the record")
    options = parser.parse_args()

    sides = {} if options.without_peers else peers(options.python)
    blo = Worker([options.worker], 0)
    limits = blo.ask({"operation": "limits", "workload": "limits", "small": options.check})
    print(json.dumps({"limits": limits}), flush=True)
    lines, failed = [], False
    runs = [(tiny_workloads(), dtype) for dtype in TOLERANCE] if options.check else [(workloads(), options.dtype)]
    for chosen, dtype in runs:
        for name, request in chosen.items():
            if options.only not in name:
                continue
            if request.get("tensor_cores") and float(limits["compute_capability"]) < 8:
                print(f"{name}: not on this device, left out", file=sys.stderr)
                continue
            with tempfile.TemporaryDirectory() as folder:
                data, parts = arrays(request)
                for key, values in data.items():
                    np.ascontiguousarray(values, DTYPE[dtype]).tofile(f"{folder}/{key}.bin")
                rounded = lambda base: np.asarray(base).astype(DTYPE[dtype]).astype(np.float64)
                parts = [(length, rounded(base)) for length, base in parts]
                request = {**request, "workload": name, "dtype": dtype, "folder": folder}
                workers = {"blo": blo, **{peer: Worker(command, 0) for peer, command in sides.items()}}

                def ask(side, repeat):
                    answer = workers[side].ask({**request, "repeat": repeat, "result": f"{folder}/{side}.out"})
                    return statistics.median(answer["seconds"]), answer["version"]

                line = {"workload": name, "dtype": dtype}
                versions, repeats = {}, {}
                for side in list(workers):
                    try:
                        seconds, versions[side] = ask(side, 3)
                    except SystemExit as error:
                        # One side that fails, say for want of memory, leaves the others their figures.
                        print(error, file=sys.stderr)
                        line[f"{side}_error"] = str(error)
                        failed |= side == "blo"
                        workers.pop(side)
                        continue
                    most = request.get("repeat", LARGEST_REPEAT)
                    repeats[side] = min(most, max(3, int(SECONDS / seconds)))
                results = {side: np.fromfile(f"{folder}/{side}.out", DTYPE[dtype]) for side in workers}
                for peer in [side for side in workers if side != "blo" and "blo" in workers]:
                    line[f"{peer}_difference"] = error = difference(parts, results["blo"], results[peer])
                    if error > TOLERANCE[dtype]:
                        failed = True
                        print(f"MISMATCH: {name} {dtype}: {error:.1e} from {peer}", file=sys.stderr)
                if not options.check:
                    rounds = {side: [] for side in workers}
                    for number in range(options.rounds):
                        order = list(workers)
                        for side in order if number % 2 == 0 else reversed(order):
                            rounds[side].append(ask(side, repeats[side])[0])
                    for side, seconds in rounds.items():
                        line[f"{side}_seconds"] = statistics.median(seconds)
                        if side != "blo" and "blo_seconds" in line:
                            line[f"{side}_version"] = versions[side]
                            line[f"{side}_ratio"] = line[f"{side}_seconds"] / line["blo_seconds"]
                    operations = must_do(request)
                    if operations and "blo_seconds" in line:
                        rate = operations / line["blo_seconds"]
                        line.update(flops=rate, share_of_f32_rate=rate / limits["f32_per_second"])
                print(json.dumps(line), flush=True)
                lines.append(line)
                for side, worker in workers.items():
                    if side != "blo":
                        worker.close()
    blo.close()
    if options.record:
        record = {"limits": limits, "commit": options.commit, "date": datetime.date.today().isoformat()}
        record.update(note=options.note, command=" ".join(["gpu_compare.py", *sys.argv[1:]]), lines=lines)
        options.record.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
