rng = MersenneTwister(8)
A, values, vectors = semidefinite(rng, 5, 4)
B, f = A * randn(rng, 5, 2), randn(rng, 5)
problem = Blo.quadratic(A, B, Matrix(1.0I, 5, 5); f = f)
u, w = randn(rng, 2), randn(rng, 5)

at = Blo.spectrum(problem, u, w, Blo.estimator(:damped; epsilon = 0.5))
b = w + f
@test at.eigenvalues ≈ sort(values) atol = 1e-12
@test at.shares[2:5] ≈ reverse(abs.(vectors' * b)[1:4]) / norm(b) atol = 1e-10
@test at.responses ≈ 1 ./ (sort(values) .+ 0.5) rtol = 1e-8

solution = Blo.fixpoint!(copy(w), Blo.Workspace(problem), u)
warm = Blo.equilibrium_residuals(problem, u, w, Blo.run_options(start = :warm))
@test warm.fixpoint ≈ norm(solution - w) rtol = 1e-10
@test warm.outer ≈ norm(Blo.hypergradient(Blo.Workspace(problem), u, w)) rtol = 1e-8
cold = Blo.equilibrium_residuals(problem, u, solution; start = w)
@test cold.fixpoint < 1e-12
@test thrown(() -> Blo.equilibrium_residuals(problem, u, w)).status == Blo.ABI.BLO_ERR_NULL # no start

gap = Blo.retraining_gap(problem, u, w; start = zeros(5))
again = Blo.fixpoint!(zeros(5), Blo.Workspace(problem), u)
F(w) = norm(w)^2 / 2 + dot(f, w)
@test gap.retrained ≈ again && gap.run_loss ≈ F(w) && gap.retrained_loss ≈ F(again)

@test Blo.check_derivatives(problem, u, w).verdict == :right
wrong = Blo.callbacks(Float64, 2, 5; inner = (g, u, w) -> (g .= 2 .* w; norm(w)^2), outer = (gu, gw, u, w) -> (gw .= w; norm(w)^2 / 2),
    hvp = (out, u, w, v) -> out .= v, mixed_vjp = (out, u, w, v) -> nothing)
found = Blo.check_derivatives(wrong, u, w)
@test found.verdict == :wrong && occursin("hvp", found.text) && endswith(rstrip(found.text), r"verdict: .*")

for T in (Float64, Float32)
    x, start = T[1, 2, 2], T[1, 1, 1]
    @test Blo.project!(copy(start), x, T(14)) ≈ start + x
    @test thrown(() -> Blo.project!(copy(start), zeros(T, 3), 1)).status == Blo.ABI.BLO_ERR_INVALID
    @test thrown(() -> Blo.project!(copy(start), T[1], 1)).status == Blo.ABI.BLO_ERR_SHAPE
end
