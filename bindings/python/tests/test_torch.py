"""PyTorch functions as problems, solutions as functions of tensors. Needs torch; skipped, and said so, without."""

import numpy as np
import pytest
from common import Case

import pyblo

torch = pytest.importorskip("torch", reason="torch is not installed")


def test_the_hypergradient_of_a_torch_model_is_torch_s_own():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(24, 4, generator=generator, dtype=torch.float64), torch.randn(24, generator=generator).double()

    def predict(w, x):
        return torch.tanh(x @ w[:12].reshape(4, 3)) @ w[12:]

    def inner(u, w):
        return 0.5 * ((predict(w, x[:12]) - y[:12]) ** 2).mean() + 0.5 * (torch.exp(u) * w**2).sum()

    def outer(u, w):
        return 0.5 * ((predict(w, x[12:]) - y[12:]) ** 2).mean()

    u = torch.full((15,), -0.5, dtype=torch.float64)
    w = 0.5 * torch.randn(15, generator=generator, dtype=torch.float64)
    functional = torch.autograd.functional
    for _ in range(40):
        hessian = functional.hessian(lambda w: inner(u, w), w)
        w = w - torch.linalg.solve(hessian, functional.jacobian(lambda w: inner(u, w), w))
    hessian = functional.hessian(inner, (u, w))
    q = torch.linalg.solve(hessian[1][1], functional.jacobian(lambda w: outer(u, w), w))
    expected = (-hessian[0][1] @ q).numpy()
    problem = pyblo.torch.problem(inner, outer, u, w)
    estimator = pyblo.Estimator("cg", iterations=200)
    with pyblo.Workspace(problem) as workspace:
        # Tensors, through DLPack.
        found = workspace.hypergradient(u, w, estimator)
        assert np.linalg.norm(found - expected) <= 1e-10 * np.linalg.norm(expected)
        assert problem.check_derivatives(u, w).verdict == "right"
        with pytest.raises(pyblo.InvalidError, match="u: found Tensor, expected a tensor on the CPU"):
            workspace.hypergradient(u.clone().requires_grad_(True), w, estimator)
    free = u.clone().requires_grad_(True)
    outer(free, pyblo.torch.solution(problem, estimator, solve=lambda _: w.numpy())(free)).backward()
    assert np.linalg.norm(free.grad.numpy() - expected) <= 1e-10 * np.linalg.norm(expected)


def test_a_solution_in_closed_form():
    case = Case(0, 6, 4, 10.0, m=3).in_range()
    inverse = case.apply(lambda value: 1 / value if value else 0.0)
    u = torch.tensor(case.u, requires_grad=True)
    w = pyblo.torch.solution(case.problem())(u)
    assert np.allclose(w.detach().numpy(), -inverse @ case.b @ case.u, rtol=0, atol=1e-12)
    (torch.tensor(case.f) * w).sum().backward()
    assert np.allclose(u.grad.numpy(), -case.b.T @ inverse @ case.f, rtol=0, atol=1e-11)
