"""The GPU sides of gpu_compare.py beside blo: `gpu_worker.py jax` and `gpu_worker.py torch`.

Requests, arrays and answers are those of compare.py. JAX is that of jax_worker.py, on its default device and with products in whole
f32. PyTorch is torch.func, each repetition the launch of a CUDA graph that was captured once, with TF32 off; without a GPU, for
checks, a plain call.
"""

import json
import os
import sys
import time


def jax_side():
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    jax.config.update("jax_default_matmul_precision", "highest")
    import jax_worker  # Reads standard input to its end.


def torch_side():
    import numpy as np
    import torch
    from torch.func import grad, grad_and_value, jvp, linearize

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    on_gpu = torch.cuda.is_available()
    place = torch.device("cuda" if on_gpu else "cpu")

    class Network:
        def __init__(self, request):
            self.request, self.widths = request, request["widths"]
            self.dtype = {"f32": np.float32, "f64": np.float64}[request["dtype"]]
            columns, classes = self.widths[0], self.widths[-1]
            self.weighted = request["outer_parameters"] == "weights"
            self.x = self.array("x", columns) if self.weighted else None
            self.targets = self.array("targets", classes)
            self.outer_x, self.outer_targets = self.array("outer_x", columns), self.array("outer_targets", classes)
            self.u = self.array("u", None if self.weighted else columns)
            self.w, self.v = self.array("w"), self.array("v")

        def array(self, name, columns=None):
            values = torch.from_numpy(np.fromfile(f"{self.request['folder']}/{name}.bin", self.dtype)).to(place)
            return values if columns is None else values.reshape(-1, columns)

        def losses(self, w, x, targets):
            start, last = 0, len(self.widths) - 2
            for layer, (i, o) in enumerate(zip(self.widths, self.widths[1:])):
                weights, bias = w[start : start + i * o].reshape(o, i), w[start + i * o : start + i * o + o]
                start += i * o + o
                x = torch.nn.functional.linear(x, weights, bias)
                x = torch.relu(x) if layer < last else x
            return -(targets * torch.log_softmax(x, 1)).sum(1)

        def inner(self, u, w):
            if self.weighted:
                return (torch.sigmoid(u) * self.losses(w, self.x, self.targets)).mean()
            return self.losses(w, u, self.targets).mean()

        def outer(self, w):
            return self.losses(w, self.outer_x, self.outer_targets).mean()

        def gradient(self, u, w):
            return grad(self.inner, argnums=1)(u, w)

        def product(self):
            """v -> H v at (u, w), with the pass made once."""
            return linearize(lambda w: self.gradient(self.u, w), self.w)[1]

    def hvp(request):
        network = Network(request)
        product = network.product()
        return lambda: (product(network.v),)

    def linearize_and_hvp(request):
        network = Network(request)
        return lambda: (jvp(lambda w: network.gradient(network.u, w), (network.w,), (network.v,))[1],)

    def gradient(request):
        network = Network(request)

        def operation():
            by_w, value = grad_and_value(network.inner, argnums=1)(network.u, network.w)
            return value.reshape(1), by_w

        return operation

    def neumann(request):
        network = Network(request)
        product, terms, alpha = network.product(), request["terms"], request["alpha"]

        def operation():
            p = alpha * network.v
            q = torch.zeros_like(p)
            for _ in range(terms):
                q = q + p
                p = p - alpha * product(p)
            return (q + p,)

        return operation

    def warm_step(request):
        network = Network(request)
        alpha, beta = request["alpha"], request["beta"]
        start = network.u.clone(), network.w.clone()
        u, w = network.u, network.w
        m, v, t = torch.zeros_like(u), torch.zeros_like(u), torch.zeros((), dtype=u.dtype, device=place)

        def operation():
            look_ahead = w - alpha * network.gradient(u, w)
            outer = grad(network.outer)(look_ahead)
            along = lambda u: jvp(lambda w: network.inner(u, w), (w,), (outer,))[1]
            g = -alpha * grad(along)(u)
            # In place: a graph has fixed addresses.
            t.add_(1)
            m.mul_(0.9).add_((1 - 0.9) * g)
            v.mul_(0.999).add_((1 - 0.999) * g * g)
            u.sub_(beta * (m / (1 - 0.9**t)) / (torch.sqrt(v / (1 - 0.999**t)) + 1e-8))
            w.sub_(alpha * network.gradient(u, w))
            return u, w

        def reset():
            u.copy_(start[0]), w.copy_(start[1])
            m.zero_(), v.zero_(), t.zero_()

        operation.reset = reset
        return operation

    operations = {
        "hvp": hvp,
        "linearize and hvp": linearize_and_hvp,
        "gradient": gradient,
        "neumann": neumann,
        "warm step": warm_step,
    }

    def captured(operation):
        """A launch of the graph of one call, and the tensors that it writes."""
        if not on_gpu:
            return operation
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                operation()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = operation()

        def launch():
            graph.replay()
            return result

        return launch

    prepared = {}
    for line in sys.stdin:
        try:
            request = json.loads(line)
            key = request["workload"], request["dtype"]
            if key not in prepared:
                operation = operations[request["operation"]](request)
                prepared[key] = captured(operation), getattr(operation, "reset", lambda: None)
            operation, reset = prepared[key]
            reset()
            finish = torch.cuda.synchronize if on_gpu else lambda: None
            seconds = []
            for count in range(request["repeat"] + 1):
                start = time.perf_counter()
                result = operation()
                finish()
                if count > 0:
                    seconds.append(time.perf_counter() - start)
            np.concatenate([part.detach().cpu().numpy().ravel() for part in result]).tofile(request["result"])
            answer = {"seconds": seconds, "version": torch.__version__}
        except Exception as error:  # gpu_compare.py reports it.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    {"jax": jax_side, "torch": torch_side}[sys.argv[1]]()
