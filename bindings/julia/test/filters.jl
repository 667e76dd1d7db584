# Estimators are filters of the spectrum: on random quadratics each q is r(H) b, by an eigendecomposition.
@testset "$T" for T in (Float64, Float32)
    rng = MersenneTwister(1)
    eps_ = eps(T)
    for n in (1, 2, 3, 8, 13), rank in unique((0, 1, n ÷ 2, n)), case in 1:3
        H, values, vectors = semidefinite(rng, n, rank)
        b = randn(rng, n)
        b = rank > 0 && isodd(case) ? filtered(v -> v > 0, values, vectors, b) : b
        epsilon, alpha, terms = 0.3, 0.4, 7
        pinv(v) = v == 0 ? 0.0 : 1 / v
        neumann(v) = alpha * sum((1 - alpha * v)^j for j in 0:terms)
        consistent = all(i -> values[i] > 0 || abs((vectors'*b)[i]) < 1e-12, 1:n)
        known = [
            (Blo.estimator(:min_norm; by = :dense), pinv, true),
            (Blo.estimator(:min_norm), pinv, true),
            (Blo.estimator(:damped; epsilon = epsilon), v -> 1 / (v + epsilon), true),
            (Blo.estimator(:damped; epsilon = epsilon, by = :dense), v -> 1 / (v + epsilon), true),
            (Blo.estimator(:neumann; terms = terms, alpha = alpha), neumann, true),
            (Blo.estimator(:neumann_filter; terms = terms, alpha = alpha), neumann, true),
            (Blo.estimator(:identity; alpha = alpha), v -> alpha, true),
            (Blo.estimator(:zero), v -> 0.0, true),
            (Blo.estimator(:cg; iterations = 4n), pinv, consistent),
            (Blo.estimator(:minres; max_products = 6n), pinv, true),
        ]
        matrix, rhs = T.(H), T.(b)
        for (how, r, holds) in known
            holds || continue
            expected = filtered(r, values, vectors, b)
            largest = maximum(abs.(r.(values)))
            solver = Blo.Solver{T}(n, how)
            report = Blo.report()
            q = Blo.solve((out, v) -> mul!(out, matrix, v), solver, rhs; report = report)
            # The rounding of H to T is part of the error: condition² n eps, condition = 30.
            bound = 900 * 8 * (n + 4) * eps_ * max(largest, 1.0) * norm(b)
            @test norm(q - expected) <= min(bound, 0.02 * norm(b) * max(largest, 1.0))
            @test report[].products >= 0 && Blo.ending(report[]) in (:completed, :converged)
            # A session asks for the same products, and has the same bits.
            session = Blo.start!(Blo.Session{T}(n, how), rhs)
            request = Blo.step!(session)
            while request == :product
                request = Blo.step!(session, mul!(similar(rhs), matrix, session.vector))
            end
            @test session.vector == q
        end
    end
end

# K unrolled steps of gradient descent from a solution are a Neumann series of K terms.
@testset "unroll = series, $T" for T in (Float64, Float32)
    rng = MersenneTwister(2)
    for (n, m) in ((1, 1), (2, 3), (7, 4), (12, 20)), steps in (1, 2, 3, 10)
        H, _, _ = semidefinite(rng, n, max(1, n - 1))
        B = H * randn(rng, n, m) # so that there are solutions
        problem = Blo.quadratic(T.(H), T.(B), Matrix{T}(I, n, n); f = T.(randn(rng, n)))
        workspace = Blo.Workspace(problem)
        u = T.(randn(rng, m))
        w = Blo.fixpoint!(T.(randn(rng, n)), workspace, u)
        alpha = T(0.3)
        series = Blo.hypergradient(workspace, u, w, Blo.estimator(:neumann; terms = steps - 1, alpha = alpha))
        unrolled = [
            Blo.hypergradient(workspace, u, w, Blo.estimator(:unrolled; steps = steps, mode = mode, rule = Blo.rule(:descent; step = alpha)))
            for mode in (:reverse, :reverse_checkpointed, :forward)
        ]
        for found in unrolled
            @test norm(found - series) <= 500 * eps(T) * (norm(series) + norm(B))
        end
        # That is not the next series: the test sees one term, where it is not small.
        steps > 3 && continue
        next = Blo.hypergradient(workspace, u, w, Blo.estimator(:neumann; terms = steps, alpha = alpha))
        @test norm(next - series) > 500 * eps(T) * (norm(series) + norm(B))
    end
end
