@testset "quadratic, $T" for T in (Float64, Float32)
    rng = MersenneTwister(3)
    for (n, m) in ((1, 1), (2, 3), (5, 2))
        A, _, _ = semidefinite(rng, n, n)
        P, _, _ = semidefinite(rng, n, n)
        C = Matrix(Symmetric(randn(rng, m, m)))
        B, d, e, f = randn(rng, n, m), randn(rng, n), randn(rng, m), randn(rng, n)
        A, P, C, B, d, e, f = T.(A), T.(P), T.(C), T.(B), T.(d), T.(e), T.(f)
        problem = Blo.quadratic(A, B, P; C = C, d = d, e = e, f = f, constant = 0.5, outer_constant = -2)
        @test (problem.n_outer, problem.n_inner, problem.n_examples) == (m, n, 0)
        workspace = Blo.Workspace(problem)
        u, w, v, du = T.(randn(rng, m)), T.(randn(rng, n)), T.(randn(rng, n)), T.(randn(rng, m))
        close_to(x, y) = norm(x .- y) <= 200 * eps(T) * (1 + norm(y))
        g, gu, gw = zeros(T, n), ones(T, m), zeros(T, n)
        @test close_to(Blo.inner(workspace, u, w; gradient = g),
            dot(w, A * w) / 2 + dot(w, B * u) + dot(u, C * u) / 2 + dot(d, w) + dot(e, u) + 0.5)
        @test close_to(g, A * w + B * u + d)
        @test close_to(Blo.outer(workspace, u, w; gradient_u = gu, gradient_w = gw), dot(w, P * w) / 2 + dot(f, w) - 2)
        @test gu == zeros(m) && close_to(gw, P * w + f)
        Blo.linearize(workspace, u, w)
        @test close_to(Blo.hvp(workspace, v), A * v)
        @test close_to(Blo.mixed_vjp(workspace, v), B' * v)
        @test close_to(Blo.mixed_jvp(workspace, du), B * du)
        loose(x, y) = norm(x .- y) <= 2e4 * eps(T) * (1 + norm(y))
        found = Blo.fixpoint!(copy(w), workspace, u)
        @test loose(found, -(A \ (B * u + d)))
        @test loose(Blo.response_jvp(workspace, u, w, du), -(A \ (B * du)))
        @test loose(Blo.response_vjp(workspace, u, w, v), -(B' * (A \ v)))
        q, report = zeros(T, n), Blo.report()
        @test loose(Blo.hypergradient(workspace, u, w; q = q, report = report), -(B' * (A \ (P * w + f))))
        @test loose(q, A \ (P * w + f)) && close_to(report[].rhs_norm, norm(P * w + f))
        @test Blo.reserve(workspace) > 0
        # The same by functions in Julia.
        own = Blo.Workspace(plain(A, B, P, d, f))
        how = Blo.estimator(:neumann; terms = 5, alpha = 0.2)
        @test close_to(Blo.hypergradient(own, u, w, how), Blo.hypergradient(workspace, u, w, how))
        @test loose(Blo.response_jvp(own, u, w, du), -(A \ (B * du)))
    end
    @test_throws Blo.Error Blo.quadratic(T[1 2; 3 4], T[1 0; 0 1], T[1 0; 0 1])
    failure = thrown(() -> Blo.quadratic(T[1 0; 0 1], ones(T, 2, 3), T[1 0; 0 1]; e = ones(T, 2)))
    @test failure isa Blo.Error && failure.status == Blo.ABI.BLO_ERR_SHAPE || failure === nothing
end

# Ridge regression: f = Σ (φᵀw − t)²/2n + c |w|²/2 and its solution, columns as examples.
@testset "regression" begin
    rng = MersenneTwister(4)
    X, t, Z, s = randn(rng, 3, 7), randn(rng, 7), randn(rng, 3, 5), randn(rng, 5)
    problem = Blo.regression(Blo.Examples(X, t), Blo.Examples(Z, s); loss = :squared, outer = :raw_l2)
    @test (problem.n_outer, problem.n_inner, problem.n_examples) == (1, 3, 7)
    workspace = Blo.Workspace(problem)
    solution(c) = (X * X' / 7 + c * I) \ (X * t / 7)
    w = Blo.fixpoint!(zeros(3), workspace, [0.25])
    @test w ≈ solution(0.25) rtol = 1e-12
    loss(c) = sum(abs2, Z' * solution(c) - s) / 10
    @test Blo.outer(workspace, [0.25], w) ≈ loss(0.25) rtol = 1e-12
    slope = (loss(0.25 + 1e-5) - loss(0.25 - 1e-5)) / 2e-5
    @test Blo.hypergradient(workspace, [0.25], w)[1] ≈ slope rtol = 1e-7
    # Influence, against example weights: f + ε f_i, with f_i a share 1/n of the mean.
    scores = Blo.influence(workspace, [0.25], w)
    weighted(i, ε) = (X * X' / 7 + ε * X[:, i] * X[:, i]' / 7 + 0.25I) \ (X * t / 7 + ε * X[:, i] * t[i] / 7)
    F(w) = sum(abs2, Z' * w - s) / 10
    for i in 1:7
        @test scores[i] ≈ (F(weighted(i, 1e-5)) - F(weighted(i, -1e-5))) / 2e-5 rtol = 1e-6 atol = 1e-9
    end
    # Targets as u; views of every other column, and of some rows, are seen without a copy.
    wide = randn(rng, 6, 14)
    view_X = @view wide[2:4, 1:2:13]
    @test Blo.columns("design", view_X, Float64) === (view_X, 12)
    at = Blo.Workspace(Blo.regression(Blo.Examples{Float64}(view_X, nothing), Blo.Examples(Z, s); outer = :targets))
    same = Blo.Workspace(Blo.regression(Blo.Examples{Float64}(copy(view_X), nothing), Blo.Examples(Z, s); outer = :targets))
    @test Blo.hypergradient(at, t, w) == Blo.hypergradient(same, t, w) != zeros(7)
    scattered = view(randn(rng, 7, 6), 1:2:7, 1:6)
    @test Blo.columns("design", scattered, Float64)[1] isa Matrix
    gaps = view([t'; 2t'], 1, :)
    @test Blo.columns("targets", gaps, Float64) === (gaps, 2)
    spread = Blo.Workspace(Blo.regression(Blo.Examples(X, gaps), Blo.Examples(Z, s); outer = :raw_l2))
    @test Blo.inner(spread, [0.25], w) == Blo.inner(workspace, [0.25], w)
    @test_throws Blo.Error Blo.regression(Blo.Examples(X, randn(2, 7)), Blo.Examples(Z, s))
    @test_throws Blo.Error Blo.Examples(X, randn(6))
    softmax = Blo.regression(Blo.Examples(X, fill(0.5, 2, 7)), Blo.Examples(Z, fill(0.5, 2, 5)); loss = :softmax, classes = 2, outer = :log_l2, group = :class)
    @test (softmax.n_outer, softmax.n_inner) == (2, 6)
end

@testset "network, $T" for T in (Float64, Float32)
    rng = MersenneTwister(5)
    x, t = T.(randn(rng, 3, 9)), T.(rand(rng, 2, 9))
    labels = Blo.Examples{T}(nothing, T[1 0; 0 1]; features = 3)
    problem = Blo.network([3, 4, 2], labels, Blo.Examples(x, t); activation = :tanh, loss = :squared, outer = :inputs, l2 = 0.01)
    @test (problem.n_outer, problem.n_inner) == (6, 26)
    w = Blo.network_initial(problem; seed = 1)
    @test w == Blo.network_initial(problem, :glorot; seed = 1) != Blo.network_initial(problem, :he; seed = 1)
    W1, b1, W2, b2 = reshape(w[1:12], 3, 4)', w[13:16], reshape(w[17:24], 4, 2)', w[25:26]
    expected = W2 * tanh.(W1 * x .+ b1) .+ b2
    @test Blo.network_predict(problem, w, x) ≈ expected rtol = 50 * eps(T)
    @test Blo.network_predict(problem, w, @view x[:, 2:3:8]) ≈ expected[:, 2:3:8] rtol = 50 * eps(T)
    @test size(Blo.network_predict(problem, w, x[:, 1:1])) == (2, 1)
    @test_throws Blo.Error Blo.network_predict(problem, w, x[1:2, :])
    workspace = Blo.Workspace(problem)
    @test Blo.outer(workspace, zeros(T, 6), w) ≈ sum(abs2, expected - t) / 18 rtol = 200 * eps(T)
    # u, the distilled inputs, as a (d, n) matrix.
    u = T.(randn(rng, 3, 2))
    @test Blo.inner(workspace, u, w) ≈ sum(abs2, W2 * tanh.(W1 * u .+ b1) .+ b2 - T[1 0; 0 1]) / 4 + 0.005 * sum(abs2, w) rtol = 200 * eps(T)
    g = zeros(T, 3, 2)
    Blo.hypergradient!(g, workspace, u, w, Blo.estimator(:cg; iterations = 5))
    @test vec(g) == Blo.hypergradient(workspace, vec(u), w, Blo.estimator(:cg; iterations = 5))
    both = Blo.Examples{T}(nothing, nothing; rows = 2, features = 3)
    soft = Blo.network((3, 2), both, Blo.Examples(x, t); outer = :inputs_and_label_logits)
    @test soft.n_outer == 2 * 3 + 2 * 2
    @test_throws Blo.Error Blo.network([3, 4, 5], labels, Blo.Examples(x, t))
    quadratic = Blo.quadratic(ones(T, 1, 1), ones(T, 1, 1), ones(T, 1, 1))
    @test thrown(() -> Blo.network_predict(quadratic, T[1], ones(T, 1, 1))).status == Blo.ABI.BLO_ERR_UNSUPPORTED
end

@testset "optimizer" begin
    adam = Blo.rule(:adam; step = 0.1)
    for T in (Float64, Float32), n in (1, 2, 3, 7)
        optimizer, x = Blo.Optimizer{T}(adam, n), ones(T, n)
        Blo.step!(optimizer, x, fill(T(3), n))
        @test x ≈ fill(0.9, n) rtol = 1e-5
        once = copy(x)
        Blo.step!(optimizer, x, fill(T(-1), n))
        Blo.restart!(optimizer)
        again = Blo.step!(optimizer, ones(T, n), fill(T(3), n))
        @test again == once != x
        @test_throws Blo.Error Blo.step!(optimizer, ones(T, n + 1), ones(T, n))
    end
end
